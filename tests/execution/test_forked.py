"""Questions asked in a fork of this process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from crossbench.errors.foreign import ChildDiedError
from crossbench.execution.forked import ask

SLEEPER = """
import os, sys, time
from pathlib import Path
from crossbench.execution.forked import ask
def work():
    Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(600)
ask(work)
"""


def test_the_answer_comes_from_another_process() -> None:
    found = ask(lambda: {"process": os.getpid(), "words": "Größe"})
    assert found["process"] != os.getpid()
    assert found["words"] == "Größe"


def test_what_it_prints_is_lost(capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(lambda: {"said": print("loud", flush=True)}) == {"said": None}
    assert "loud" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("os._exit(0)", "its process ended with exit status 0 before its work was done"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process was ended by SIGKILL"),
        ("1 / 0", "its process ended with exit status 1 before its work was done"),
    ],
)
def test_a_process_without_an_answer_is_an_error(code: str, message: str) -> None:
    with pytest.raises(ChildDiedError, match=message):
        ask(lambda: {"never": eval(code)})


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    note = tmp_path / "child"
    parent = subprocess.Popen([sys.executable, "-P", "-c", SLEEPER, str(note)])
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)
    child = int(note.read_text())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while alive(child):
        time.sleep(0.02)


def alive(process: int) -> bool:
    """Whether a process runs; one that ended may be left for another to wait for."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
