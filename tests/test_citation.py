"""What is stated in two places agrees."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path


def test_the_citation_names_this_version() -> None:
    lines = Path(__file__).parents[1].joinpath("CITATION.cff").read_text("utf-8").splitlines()
    assert f"version: {version('crossbench')}" in lines
