"""``--jobs``: real processes that share the work, and what becomes of it when one of them ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crossbench.cli import main
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a single process gives is what any number of them gives.
_QUICK = ("fit.epochs=2", "compute.threads=1")


@pytest.fixture
def words(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., list[str]]:
    """The command line of six runs on blobs, and the plain baselines."""
    card = str(make_task())

    def build(out: str, *more: str) -> list[str]:
        return [
            "run", "--method", "acs,conv3d", "--task", card, "--seeds", "43",
            "--folds", "0", "1", "2", "--out", str(tmp_path / out), "--device", "cpu",
            "--data-dir", str(tmp_path), "--backbone", "test_resnet",
            *(word for setting in _QUICK for word in ("--set", setting)), *more,
        ]  # fmt: skip

    return build


def start(words: list[str]) -> subprocess.Popen[str]:
    """The command in a process of its own, which heeds Ctrl-C."""
    return subprocess.Popen(
        [sys.executable, "-m", "crossbench", *words],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def helpers_of(process: subprocess.Popen[str]) -> list[int]:
    """Processes that help a command: forks of a server that it has started."""
    servers = [
        child
        for child in _descendants(process.pid)
        if b"multiprocessing.forkserver" in _read(f"/proc/{child}/cmdline")
    ]
    return [fork for fork in servers if any(fork in _children(server) for server in servers)]


def _descendants(process: int) -> list[int]:
    children = _children(process)
    return children + [each for child in children for each in _descendants(child)]


def _children(process: int) -> list[int]:
    return [int(each) for each in _read(f"/proc/{process}/task/{process}/children").split()]


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:  # it has ended
        return b""


def running(processes: list[int]) -> list[int]:
    """Those that have not ended."""
    stats = {each: _read(f"/proc/{each}/stat").rpartition(b")")[2].split() for each in processes}
    return [each for each, stat in stats.items() if stat and stat[0] != b"Z"]


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_two_processes_write_what_one_does(
    words: Callable[..., list[str]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    planted: Path,
) -> None:
    assert main(words("one")) == 0
    assert main(words("two", "--jobs", "2")) == 0
    assert not (planted / "ran").exists()
    said = capsys.readouterr().err
    assert "runs done, 0 failed, 0 already there" in said
    assert "ended early" not in said
    one, two = (
        {record.identity: record for record in Store(tmp_path / name).records()}
        for name in ("one", "two")
    )
    assert one.keys() == two.keys()
    for identity, record in one.items():
        assert two[identity].metrics == record.metrics
        assert two[identity].predictions_sha256 == record.predictions_sha256


@pytest.mark.slow
def test_a_process_that_is_killed_loses_nothing(words: Callable[..., list[str]]) -> None:
    process = start(words("out", "--jobs", "2"))
    wait_for(lambda: helpers_of(process))
    os.kill(helpers_of(process)[0], signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 0
    assert "was ended by SIGKILL (Killed), as systems do when memory runs out; it is tried" in said
    assert "once more when nothing else goes on" in said
    assert "12 runs done, 0 failed, 0 already there" in said


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)]
)
def test_helpers_end_with_the_one_that_they_help(
    words: Callable[..., list[str]], tmp_path: Path, sent: signal.Signals, code: int
) -> None:
    out = tmp_path / "out"
    process = start(words("out", "--jobs", "3"))
    wait_for(lambda: helpers_of(process) and list(out.rglob("*.json")))
    helpers = helpers_of(process)
    process.send_signal(sent)
    _, said = process.communicate()
    assert process.returncode == code
    assert "Traceback" not in said
    wait_for(lambda: not running(helpers))
    assert not Store(out).broken()
    assert main(words("out")) == 0


def test_cores_are_shared_unless_something_says_otherwise(
    words: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("crossbench.environment.provenance.available_cores", lambda: 8)
    monkeypatch.setattr(os, "environ", environment := dict(os.environ))
    main(words("out", "--jobs", "3", "--dry-run"))
    assert environment["OMP_NUM_THREADS"] == "2"
    environment["OMP_NUM_THREADS"] = "5"
    main(words("out", "--jobs", "3", "--dry-run"))
    assert environment["OMP_NUM_THREADS"] == "5"


def test_a_dry_run_says_how_many_share_it(
    words: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(words("out", "--jobs", "2", "--dry-run")) == 0
    assert " in 2 processes and " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--jobs", "0"], "--jobs (=0) must be at least 1"),
        (["--jobs", "2", "--no-isolate"], "need processes that can be ended; leave --no-isolate"),
        (["--time-limit", "9", "--no-isolate"], "--time-limit and --memory-limit need processes"),
    ],
)
def test_what_cannot_be_shared_is_refused(
    words: Callable[..., list[str]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    more: list[str],
    why: str,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert main(words("out", *more)) == 2
    assert why in capsys.readouterr().err
