"""The library knows no method by name: neither its code nor its data."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import crossbench
from crossbench.registry.entries import method_entries

ROOT = Path(crossbench.__file__).parent
FILES = [file for kind in ("*.py", "*.toml") for file in sorted(ROOT.rglob(kind))]


def mentions(text: str, names: list[str]) -> list[str]:
    """The lines with a method's name, standing alone; ``torch.conv3d`` is a function."""
    pattern = re.compile(rf"(?<![\w.-])({'|'.join(map(re.escape, names))})(?![\w-])")
    return [line.strip() for line in text.splitlines() if pattern.search(line)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('if method.name == "acs":', True),
        ("layers = ['conv2d']", True),
        ("crossd-fixed = 1", True),
        ("of ``conv2d`` layers", True),
        ("torch.conv3d(x, weight)", False),
        ("nn.Conv2d", False),
        ("conv3d_input(shape)", False),
        ('"acsconv"', False),
        ("gmacs", False),
    ],
)
def test_mentions_are_found(line: str, found: bool) -> None:
    assert bool(mentions(line, ["acs", "conv2d", "conv3d", "crossd-fixed"])) == found


def test_no_registered_method_is_named() -> None:
    names = list(method_entries())
    assert {"conv2d", "acs", "conv3d", "crossd", "slices-2d"} <= set(names)
    assert len(FILES) > 100
    found = {
        str(file.relative_to(ROOT)): lines
        for file in FILES
        if (lines := mentions(file.read_text(encoding="utf-8"), names))
    }
    assert found == {}
