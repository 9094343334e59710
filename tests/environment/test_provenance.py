"""What is known of the process and the machine, and where it is not known."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from crossbench.environment.provenance import hardware, resident_peak
from crossbench.files.checkout import source_state

ROOT = Path(__file__).parents[2]
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


# ------------------------------------------------------------------------- where methods are from


def _git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    done = subprocess.run(
        ["git", "-C", folder, *who, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_checkout_that_holds_a_source_is_told(tmp_path: Path) -> None:
    tracked, other, ignored = (tmp_path / name for name in ("mine.py", "other.py", "venv.py"))
    for file in (tracked, other, ignored):
        file.write_text("x = 1")
    assert source_state((tracked,)) == {}  # no checkout
    source_state.cache_clear()
    _git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("venv.py")
    _git(tmp_path, "add", "mine.py", ".gitignore")
    _git(tmp_path, "commit", "-qm", "first")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert source_state((tracked,)) == {"commit": commit, "dirty": False}
    assert source_state((tracked, other)) == {"commit": commit, "dirty": True}
    assert source_state((tracked, ignored)) == {"commit": commit, "dirty": True}
    assert source_state((ignored,)) == {}  # as what is installed below a checkout
    source_state.cache_clear()
    tracked.write_text("x = 2")
    other.write_text("x = 2")
    assert source_state((tracked,)) == {"commit": commit, "dirty": True}
    source_state.cache_clear()


def test_the_machine_says_by_which_instructions_it_computes() -> None:
    found = hardware(torch.device("cpu"))
    assert found["instructions"] == torch.backends.cpu.get_cpu_capability()
    assert list(found) == ["device", "processor", "instructions", "cores", "system"]
