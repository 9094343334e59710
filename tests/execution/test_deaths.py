"""Runs whose code ends the process: the others are done, and the deadly one becomes a record."""

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
from crossbench.execution.logs import LOGS, log_name
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.specs import RunRecord

PLUGIN = """\
import ctypes, os, resource, signal, subprocess, sys, tempfile, time
from pathlib import Path
from torch import nn
from crossbench_baselines.conv3d import Conv3d

IN_A_RUN = "if x.device.type == 'cpu' and x.abs().sum() > 0: "

class Layer(nn.Conv3d):
    code = "pass"
    def forward(self, x):
        exec(self.code)
        return super().forward(x)

class Deadly(Conv3d):
    def __init__(self, name="deadly", layer="pass", forward="pass"):
        self.name, self.layer, self.forward = name, layer, forward
    def layer_3d(self, layer):
        exec(self.layer)
        made = super().layer_3d(layer)
        made.__class__ = type("Layer", (Layer,), {{"code": self.forward}})
        return made

method = Deadly(layer={layer!r}, forward={forward!r})
exit_layer = Deadly("exit-layer", layer="sys.exit(0)")
exit_forward = Deadly("exit-forward", forward="sys.exit(0)")
vanish_layer = Deadly("vanish-layer", layer="os._exit(0)")
vanish_forward = Deadly("vanish-forward", forward="os._exit(0)")
crash_forward = Deadly("crash-forward", forward="ctypes.string_at(0)")
kill_forward = Deadly("kill-forward", forward=IN_A_RUN + "os.kill(os.getpid(), signal.SIGKILL)")
loop_forward = Deadly("loop-forward", forward=IN_A_RUN + "all(True for _ in iter(int, 1))")
eat_forward = Deadly(
    "eat-forward", forward=IN_A_RUN + "kept = [b'x' * 2**26 for _ in iter(int, 1)]"
)
# What it writes is as if the disk were full, its record too.
full_forward = Deadly(
    "full-forward",
    forward=IN_A_RUN + "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))",
)
# A child and a temporary file that nobody removes.
litter_forward = Deadly(
    "litter-forward",
    forward=IN_A_RUN
    + "note = Path(__file__).with_name('litter'); "
    + "note.exists() or note.write_text(f'{{tempfile.mkdtemp()}} '"
    + " + str(subprocess.Popen(['sleep', '600']).pid))",
)
"""
IN_A_RUN = "x.device.type == 'cpu'"  # the plan tries networks on no data
EXITED = "its code called sys.exit(0)"
VANISHED = "its process ended with exit status 0 before its work was done"
ENDS = {
    "exit-layer": ("SystemExit", EXITED),
    "exit-forward": ("SystemExit", EXITED),
    "vanish-layer": ("Died", VANISHED),
    "vanish-forward": ("Died", VANISHED),
    "crash-forward": ("Died", "its process was ended by SIGSEGV (Segmentation fault)"),
}
# Those that only processes of their own contain.
KILLED = "its process was ended by SIGKILL (Killed), as systems do when memory runs out"
CONTAINED = {
    "kill-forward": f"{KILLED}; so it did before, beside other runs",
    "loop-forward": "out of time after 40 s",
    "eat-forward": "out of memory: its process held ",
    "full-forward": ".json: cannot be written: [Errno 27] File too large",
}


@pytest.fixture
def deadly(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., list[str]]:
    """The words of a command that runs a method whose ``layer_3d`` does what it is given."""

    def write(
        *more: str,
        layer: str = "pass",
        forward: str = "pass",
        methods: tuple[str, ...] = ("deadly",),
    ) -> list[str]:
        plugin = tmp_path / "deadly.py"
        plugin.write_text(PLUGIN.format(layer=layer, forward=forward))
        names = [name.replace("-", "_") for name in methods if name != "deadly"]
        plugins = [f"{plugin}:{name}" for name in names] or [str(plugin)]
        return [
            "run", *(word for each in plugins for word in ("--plugin", each)),
            "--method", ",".join([*methods, "conv3d"]), "--seeds", "43", "--folds", "0",
            "--task", str(make_task()), "--data-dir", str(tmp_path),
            "--out", str(tmp_path / "out"), "--device", "cpu", "--backbone", "test_resnet",
            "--set", "fit.epochs=1", "--set", "compute.threads=1", *more,
        ]  # fmt: skip

    return write


def crossbench(words: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "crossbench", *words]
    return subprocess.run(command, capture_output=True, text=True)


def records(tmp_path: Path) -> dict[str, RunRecord]:
    """The records by method."""
    return {record.key.method: record for record in Store(tmp_path / "out").records()}


def marks(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "out" / ".claims").glob("*.attempt"))


@pytest.mark.slow
@pytest.mark.parametrize("how", [["--no-isolate"], ["--isolate"], ["--jobs", "2"]])
def test_runs_that_end_their_process_fail_and_the_others_are_done(
    deadly: Callable[..., list[str]], tmp_path: Path, how: list[str]
) -> None:
    done = crossbench(deadly(*how, methods=tuple(ENDS)))
    assert done.returncode == 1
    found = records(tmp_path)
    assert {name: record.status for name, record in found.items()} == {
        "conv3d": "ok", "majority": "ok", "logistic": "ok", **dict.fromkeys(ENDS, "failed"),
    }  # fmt: skip
    for name, (kind, message) in ENDS.items():
        error = found[name].error
        assert error is not None
        assert (error["class"], error["message"]) == (kind, message)
    assert marks(tmp_path) == []


@pytest.mark.slow
def test_each_fault_is_contained_and_the_other_runs_are_what_they_are_alone(
    deadly: Callable[..., list[str]], tmp_path: Path
) -> None:
    limits = ["--time-limit", "40", "--memory-limit", "3G"]
    done = crossbench(deadly("--jobs", "2", *limits, methods=(*CONTAINED, "litter-forward")))
    assert done.returncode == 1, done.stderr
    out, found = tmp_path / "out", records(tmp_path)
    for name, message in CONTAINED.items():
        error = found[name].error
        assert error is not None
        assert message in error["message"]
        assert str(tmp_path) not in error["message"]
        assert (out / error["log"]).is_file()
        assert f"what it printed is in {error['log']}" in done.stderr
    assert f"{KILLED}; it is tried once more when nothing else goes on" in done.stderr
    assert found["litter-forward"].status == "ok"
    folder, child = (tmp_path / "litter").read_text().split()
    assert not Path(folder).exists()
    assert not Path(f"/proc/{child}").exists()
    assert list((out / ".claims").iterdir()) == []
    assert list(out.rglob("*.tmp")) == []
    assert {path.stem for path in (out / "logs").iterdir()} == {
        found[name].identity[:8] for name in CONTAINED
    }
    (tmp_path / "out").rename(tmp_path / "beside")
    assert main(deadly("--no-isolate", methods=("litter-forward",))) == 0
    for name, record in records(tmp_path).items():
        assert record.metrics == found[name].metrics
        assert record.predictions_sha256 == found[name].predictions_sha256
        assert record.identity == found[name].identity


def test_what_failed_is_left_at_that_until_it_is_to_be_tried_again(
    deadly: Callable[..., list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(deadly(layer="raise ValueError('no')")) == 1
    before = records(tmp_path)["deadly"]
    assert main(deadly(layer="raise ValueError('no')")) == 1
    said = capsys.readouterr().err
    assert "0 runs done, 0 failed, 3 already there, 1 failed before and left at that" in said
    assert "--retry-failed tries them again" in said
    assert records(tmp_path)["deadly"].provenance == before.provenance
    assert main(deadly("--retry-failed", layer="raise ValueError('no')")) == 1
    assert "0 runs done, 1 failed, 3 already there" in capsys.readouterr().err


def test_a_failure_takes_nothing_from_a_run_that_had_succeeded(
    deadly: Callable[..., list[str]], tmp_path: Path
) -> None:
    """It is made again for its weights, which need the layers once more."""
    flag = tmp_path / "fails"
    layer = f"assert not Path({str(flag)!r}).exists()"
    assert main(deadly(layer=layer)) == 0
    before = records(tmp_path)["deadly"]
    flag.touch()
    assert main(deadly("--save-weights", layer=layer)) == 1
    assert records(tmp_path)["deadly"] == before


@pytest.mark.slow
def test_a_process_that_is_killed_from_outside_has_a_successor(
    deadly: Callable[..., list[str]], tmp_path: Path
) -> None:
    """As for want of memory: the run is tried once more alone, and succeeds."""
    note = tmp_path / "process"
    wait = f"if {IN_A_RUN}: note = Path({str(note)!r}); old = note.exists()"
    wait += "; note.write_text(str(os.getpid())); old or time.sleep(600)"
    words = deadly(forward=wait)
    command = [sys.executable, "-P", "-m", "crossbench", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)
    at_work = int(note.read_text())
    assert at_work != process.pid
    os.kill(at_work, signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == 0
    assert f"{KILLED}; it is tried once more when nothing else goes on" in said
    assert int(note.read_text()) not in (at_work, process.pid)
    assert {record.status for record in records(tmp_path).values()} == {"ok"}
    assert marks(tmp_path) == []


def test_the_log_of_a_failure_goes_where_the_run_succeeds_later(
    deadly: Callable[..., list[str]], tmp_path: Path
) -> None:
    flag = tmp_path / "fails"
    flag.touch()
    layer = f"assert not Path({str(flag)!r}).exists()"
    assert main(deadly(layer=layer)) == 1
    identity = records(tmp_path)["deadly"].identity
    assert (tmp_path / "out" / log_name(identity)).is_file()
    flag.unlink()
    assert main(deadly("--no-isolate", "--retry-failed", layer=layer)) == 0
    assert not (tmp_path / "out" / LOGS).exists()


@pytest.mark.parametrize(
    ("how", "sent"),
    [
        ("--no-isolate", signal.SIGINT),
        ("--isolate", signal.SIGTERM),
        pytest.param("--no-isolate", signal.SIGTERM, marks=pytest.mark.slow),
        pytest.param("--isolate", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("--jobs=2", signal.SIGINT, marks=pytest.mark.slow),
        pytest.param("--jobs=2", signal.SIGTERM, marks=pytest.mark.slow),
    ],
)
def test_an_interruption_is_no_abandoned_attempt(
    deadly: Callable[..., list[str]], tmp_path: Path, sent: signal.Signals, how: str
) -> None:
    note = tmp_path / "begun"
    words = deadly(how, forward=f"if {IN_A_RUN}: Path({str(note)!r}).touch(); time.sleep(600)")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "crossbench", *words],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not note.exists():
        time.sleep(0.02)
    process.send_signal(sent)
    assert process.wait() == {signal.SIGINT: 130, signal.SIGTERM: -signal.SIGTERM}[sent]
    assert marks(tmp_path) == []
    assert "deadly" not in records(tmp_path)
    assert list(tmp_path.glob("out/logs/*")) == []


@pytest.mark.slow
@pytest.mark.parametrize("how", ["--no-isolate", "--isolate", "--jobs=2"])
def test_a_second_interruption_does_not_wait(
    deadly: Callable[..., list[str]], tmp_path: Path, how: str
) -> None:
    note = tmp_path / "process"
    code = f"note = Path({str(note)!r}); note.write_text(str(os.getpid()))"
    code += "\nwhile True:\n try: time.sleep(600)\n except KeyboardInterrupt: pass"
    words = deadly(how, forward=f"if {IN_A_RUN}: exec({code!r})")
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "crossbench", *words],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    while not (note.exists() and note.read_text()):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    stat = Path(f"/proc/{note.read_text()}/stat")
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z":
        time.sleep(0.02)


@pytest.mark.parametrize(
    "code", ["os._exit(0)", pytest.param("sys.exit(0)", marks=pytest.mark.slow)]
)
def test_a_plugin_whose_import_ends_the_process_is_no_success(
    deadly: Callable[..., list[str]], tmp_path: Path, code: str
) -> None:
    words = deadly()
    plugin = tmp_path / "deadly.py"
    plugin.write_text(f"import os, sys\n{code}\n")
    done = crossbench(words)
    assert done.returncode != 0
    assert "crossbench: " in done.stderr
    assert records(tmp_path) == {}
