"""Marks of attempts: what a process that died leaves, and one that was told to end does not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from crossbench.errors import RequestError
from crossbench.execution.attempts import Attempts, put_back

if TYPE_CHECKING:
    from pathlib import Path

# Whoever started the tests may ignore signals, as nohup does, and children inherit that.
ATTEMPT = """
import sys, os, signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from crossbench.execution.attempts import Attempts
with Attempts(Path(sys.argv[1])).begin("a1") as abandoned:
    exec(sys.argv[2])
"""


def attempt(root: Path, body: str) -> int:
    """An attempt in another process, which then does what ``body`` says; how it ended."""
    command = [sys.executable, "-c", ATTEMPT, str(root), body]
    return subprocess.run(command, stderr=subprocess.DEVNULL).returncode


def abandoned(root: Path, *, locked: bool = True) -> int:
    """How many attempts a mark tells of, which is left as it is."""
    found = []
    with suppress(KeyboardInterrupt), Attempts(root, locked=locked).begin("a1") as count:
        found.append(count)
        raise KeyboardInterrupt
    return found[0]


def kill(name: str) -> str:
    return f"os.kill(os.getpid(), signal.{name})"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("os._exit(0)", 0),
        ("import ctypes; ctypes.string_at(0)", -signal.SIGSEGV),
        (kill("SIGKILL"), -signal.SIGKILL),
    ],
)
def test_a_process_that_dies_leaves_a_mark(tmp_path: Path, body: str, code: int) -> None:
    assert attempt(tmp_path, body) == code
    assert abandoned(tmp_path) == 1
    assert attempt(tmp_path, body) == code
    assert abandoned(tmp_path) == 2
    assert {count for _, count in Attempts(tmp_path).left()} == {2}
    assert attempt(tmp_path, "pass") == 0
    assert abandoned(tmp_path) == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (kill("SIGTERM"), -signal.SIGTERM),
        (kill("SIGHUP"), -signal.SIGHUP),
        (kill("SIGINT"), -signal.SIGINT),
        ("raise KeyboardInterrupt", -signal.SIGINT),
        ("raise OSError", 1),
    ],
)
def test_one_that_is_told_to_end_leaves_things_as_they_were(
    tmp_path: Path, body: str, code: int
) -> None:
    assert attempt(tmp_path, body) == code
    assert abandoned(tmp_path) == 0
    attempt(tmp_path, "os._exit(0)")
    assert attempt(tmp_path, body) == code
    assert abandoned(tmp_path) == 1


def test_without_locks_a_process_that_still_works_has_abandoned_nothing(tmp_path: Path) -> None:
    begun = Attempts(tmp_path).begin("a1")
    begun.__enter__()
    (mark,) = (tmp_path / ".claims").iterdir()
    held = json.loads(mark.read_text())
    mark.write_text(json.dumps(held | {"process": os.getppid()}))
    assert abandoned(tmp_path, locked=False) == 0
    mark.write_text(json.dumps(held | {"process": 2**22 + 1}))
    assert abandoned(tmp_path, locked=False) == 1
    put_back()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attempts": "two"}', "\x00"])
def test_a_damaged_mark_tells_of_an_attempt(tmp_path: Path, text: str) -> None:
    attempt(tmp_path, "os._exit(0)")
    (mark,) = (tmp_path / ".claims").iterdir()
    mark.write_text(text)
    assert abandoned(tmp_path) == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with (
        pytest.raises(RequestError, match=r"results folder '.*file' cannot be written"),
        Attempts(file).begin("a1"),
    ):
        pass
