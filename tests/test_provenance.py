"""What is known of the process and the machine, and where it is not known."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from crossbench.provenance import resident_peak

ROOT = Path(__file__).parents[1]
POSIX_ONLY = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}


def test_no_module_needs_what_only_posix_has() -> None:
    """At its top; what is imported where it is used can be done without."""
    for file in (ROOT / "crossbench").rglob("*.py"):
        for node in ast.parse(file.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not POSIX_ONLY.intersection(names), file


def test_peak_memory_is_known_or_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    peak = resident_peak()
    assert peak is not None
    assert 2**20 < peak < 2**40
    monkeypatch.setattr(Path, "read_text", _refuse)
    other = resident_peak()
    assert other is not None
    assert other == pytest.approx(peak, rel=0.2)
    monkeypatch.setitem(sys.modules, "resource", None)
    assert resident_peak() is None


def _refuse(*_: object, **__: object) -> str:
    raise FileNotFoundError
