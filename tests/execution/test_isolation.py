"""Work in a process of its own: what comes back, whatever becomes of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import CrossbenchError, RequestError
from crossbench.errors.foreign import ChildDiedError, describe_end
from crossbench.execution.isolation import Limits, ask, call

WORK = """\
import ctypes, os, signal, sys, time
from crossbench.errors import RequestError
from crossbench.execution.child import tell

def echo(**given):
    print("noise", file=sys.stdout)
    os.system("echo more noise")
    tell("halfway")
    return {"process": os.getpid(), "read": sys.stdin.read(), "torch": "torch" in sys.modules,
            "threads": os.environ.get("OMP_NUM_THREADS"), **given}

def refuse(): raise RequestError("no such thing; ask for another")
def fail(): raise ValueError("broken")
def leave(): sys.exit(0)
def vanish(): os._exit(0)
def crash(): ctypes.string_at(0)
def kill(): os.kill(os.getpid(), signal.SIGKILL)
def chatter(): print("x" * 200_000 + "the end"); os._exit(3)

def eat():
    kept = []
    while True: kept.append(b"x" * 2**26)

def loop():
    while True: pass

def hang(note):
    with open(note, "w") as file: file.write(str(os.getpid()))
    while True:
        try: time.sleep(600)
        except KeyboardInterrupt: pass

"""
CALLER = """\
import sys
from crossbench.execution import isolation
open(sys.argv[1], "a").write("main ")
sys.path.insert(0, "")
print(isolation.call("some_work:echo", {"one": 1})["one"])
"""
HANGER = """\
import os, sys, time
from pathlib import Path
from crossbench.execution import isolation
sys.path.append(sys.argv[3])
def hang():
    Path(sys.argv[1]).write_text(str(os.getpid()))
    time.sleep(600)
if sys.argv[2] == "ask":
    isolation.ask(hang)
else:
    isolation.call("some_work:hang", {"note": sys.argv[1]})
"""


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "some_work.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_reply_comes_back_whatever_the_work_prints_and_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    heard: list[str] = []
    reply: dict[str, Any] = call("some_work:echo", {"one": [1, None, "ä"]}, hear=heard.append)
    assert reply["one"] == [1, None, "ä"]
    assert reply["read"] == ""
    assert reply["process"] != os.getpid()
    assert reply["torch"]
    assert reply["threads"] == "7"
    assert heard == ["halfway"]


def test_what_the_work_refuses_is_said_in_its_words() -> None:
    with pytest.raises(CrossbenchError, match=r"^no such thing; ask for another$"):
        call("some_work:refuse", {})


@pytest.mark.parametrize(
    ("work", "verdict", "words", "last"),
    [
        ("fail", "raised", "its code raised ValueError: broken", "ValueError: broken"),
        ("leave", "died", "its process ended with exit status 0 before its work was done", ""),
        ("vanish", "died", "its process ended with exit status 0 before its work was done", ""),
        ("crash", "died", "its process was ended by SIGSEGV", "in crash"),
        ("kill", "died", "its process was ended by SIGKILL", ""),
        ("chatter", "died", "its process ended with exit status 3", "xxxthe end"),
    ],
)
def test_a_process_without_a_reply_has_a_verdict(
    work: str, verdict: str, words: str, last: str
) -> None:
    with pytest.raises(ChildDiedError, match=words) as told:
        call(f"some_work:{work}", {})
    assert told.value.verdict == verdict
    assert last in told.value.last_words


@pytest.mark.parametrize(
    ("work", "limits", "verdict", "words"),
    [
        ("loop", Limits(seconds=0.3), "out of time", r"^out of time after 0\.3 s$"),
        (
            "eat",
            Limits(memory=2**30),
            "out of memory",
            r"held 1,\d+ MiB, .* is 1,024 MiB",
        ),
    ],
)
def test_a_process_that_exceeds_a_limit_is_ended(
    work: str, limits: Limits, verdict: str, words: str
) -> None:
    with pytest.raises(ChildDiedError, match=words) as told:
        call(f"some_work:{work}", {}, limits=limits)
    assert told.value.verdict == verdict


def test_a_process_that_ignores_interruption_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbench.execution.isolation.GRACE", 0.2)
    note = tmp_path / "child"
    with pytest.raises(ChildDiedError, match="out of time"):
        call("some_work:hang", {"note": str(note)}, limits=Limits(seconds=0.5))
    assert not alive(int(note.read_text()))


def test_neither_the_working_folder_nor_main_is_run_in_a_process(
    planted: Path, tmp_path: Path
) -> None:
    script, note = tmp_path / "caller.py", tmp_path / "note"
    script.write_text(CALLER)
    command = [sys.executable, str(script), str(note)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("1\n", 0), done.stderr
    assert note.read_text() == "main "
    assert not (planted / "ran").exists()


# ----------------------------------------------------------------------- forks of this process


def test_a_fork_answers_with_what_this_process_has_loaded(
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = "Größe"
    found = ask(lambda: {"process": os.getpid(), "words": words, "said": print("loud")})
    assert found.pop("process") != os.getpid()
    assert found == {"words": words, "said": None}
    assert "loud" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("os._exit(0)", "its process ended with exit status 0 before its work was done"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process was ended by SIGKILL"),
        ("1 / 0", "its code raised ZeroDivisionError: division by zero"),
        ("[None for _ in iter(int, 1)]", r"out of time after 0\.3 s"),
    ],
)
def test_a_fork_without_an_answer_has_a_verdict(code: str, words: str) -> None:
    with pytest.raises(ChildDiedError, match=words):
        ask(lambda: eval(code, globals()), limits=Limits(seconds=0.3))


def test_a_long_folder_of_temporary_files_is_none_for_sockets(tmp_path: Path) -> None:
    """As a cluster's scheduler gives: the path of a socket has 108 bytes."""
    long = tmp_path / ("x" * 100)
    long.mkdir()
    code = "from crossbench.execution import isolation as i; print(i.call('math:sqrt', {}))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env=os.environ | {"TMPDIR": str(long)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "AF_UNIX" not in done.stderr
    assert "sqrt() takes" in done.stderr  # the work began


def test_forks_may_fork() -> None:
    def refuse() -> None:
        raise RequestError("not here")

    with pytest.raises(CrossbenchError, match=r"^not here$"):
        ask(lambda: ask(refuse))


# --------------------------------------------------------------------------------- their end


@pytest.mark.parametrize("how", ["ask", "call"])
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_processes_end_with_their_parent(tmp_path: Path, how: str, sent: signal.Signals) -> None:
    note = tmp_path / "child"
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", HANGER, str(note), how, str(tmp_path)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)
    child = int(note.read_text())
    parent.send_signal(sent)
    if how == "call" and sent == signal.SIGINT:
        time.sleep(0.2)
        parent.send_signal(sent)  # the work takes no heed of the first
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
