"""Calls of ``crossbench data new`` and of what follows it, in a folder of their own."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

from crossbench.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

# timm's own test network: a ResNet of a million parameters
FAST = ["--backbone", "test_resnet", "--set", "fit.epochs=1", "--device", "cpu"]

Called = tuple[int, str, str]


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder, with a data root and a cache of its own."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CROSSBENCH_DATA", str(folder / "root"))
    monkeypatch.setenv("CROSSBENCH_CACHE", str(folder / "cache"))
    return folder


def call_new(capsys: pytest.CaptureFixture[str], folder: Path, *arguments: str) -> Called:
    """Call ``crossbench data new``; exit code, stdout and stderr."""
    code = main(["data", "new", "--from", str(folder), *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def predicted(record: Path, *files: Path, capsys: pytest.CaptureFixture[str]) -> np.ndarray:
    """(N, K) probabilities."""
    command = ["predict", "--run", str(record), "--device", "cpu", *map(str, files)]
    assert main(command) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))[1:]
    return np.array([row[3:] for row in rows], float)
