"""Work in a process of its own: what comes back, whatever becomes of the process."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import ChildDiedError, describe_end
from crossbench.execution.isolation import call

if TYPE_CHECKING:
    from pathlib import Path

WORK = """\
import ctypes, os, signal, sys
from crossbench.errors import RequestError

def echo(**given):
    print("noise", file=sys.stdout)
    os.system("echo more noise")
    return {"process": os.getpid(), "read": sys.stdin.read(), **given}

def refuse(): raise RequestError("no such thing; ask for another")
def fail(): raise ValueError("broken")
def leave(): sys.exit(0)
def vanish(): os._exit(0)
def crash(): ctypes.string_at(0)
def kill(): os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_work.py").write_text(WORK)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_reply_comes_back_whatever_the_work_prints_and_reads() -> None:
    reply: dict[str, Any] = call("some_work:echo", {"one": [1, None, "ä"]})
    assert reply["one"] == [1, None, "ä"]
    assert reply["read"] == ""
    assert reply["process"] != os.getpid()


def test_what_the_work_refuses_is_said_in_its_words() -> None:
    with pytest.raises(CrossbenchError, match=r"^no such thing; ask for another$"):
        call("some_work:refuse", {})


@pytest.mark.parametrize(
    ("work", "code", "last"),
    [
        ("fail", 1, "ValueError: broken"),
        ("leave", 0, ""),
        ("vanish", 0, ""),
        ("crash", -signal.SIGSEGV, "in crash"),
        ("kill", -signal.SIGKILL, ""),
    ],
)
def test_a_process_that_dies_is_told_of(work: str, code: int, last: str) -> None:
    with pytest.raises(ChildDiedError, match=r"^its process (ended with|was ended by) ") as told:
        call(f"some_work:{work}", {})
    assert told.value.code == code
    assert last in told.value.last_words


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0, "ended with exit status 0 before its work was done"),
        (-signal.SIGSEGV, "was ended by SIGSEGV (Segmentation fault)"),
        (-signal.SIGKILL, "was ended by SIGKILL (Killed), as systems do when memory runs out"),
        (-99, "was ended by signal 99 (unknown)"),
    ],
)
def test_an_end_is_put_in_words(code: int, words: str) -> None:
    assert describe_end(code) == words
