"""Benches as a user runs them, each measurement in a process of its own."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from crossbench.bench.cases import Layer, Network
from crossbench.bench.record import Machine, _fitting_batch, make_setup, measure
from crossbench.cli import main
from crossbench.errors import RequestError
from crossbench.results.records.benches import read_benches
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LAYERS = """\
[[layer]]
name = "small"
shape = [4, 4, 6, 7]
outputs = 4
"""
MACHINE = Machine(provenance={}, peak_flops=1e9, free_memory=2**60)


def test_what_is_killed_or_starved_is_a_record(
    tmp_path: Path, killed: str, greedy: str, capsys: pytest.CaptureFixture[str], planted: Path
) -> None:
    shapes, out = tmp_path / "mine.toml", tmp_path / "out"
    shapes.write_text(LAYERS)
    command = ["bench", "ops", "--shapes", str(shapes), "--method", "killed,greedy"]
    command += ["--plugin", killed, "--plugin", greedy, "--device", "cpu", "--threads", "1"]
    assert main([*command, "--repeats", "6", "--max-batch", "2", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "Runtime of one layer · forward" in shown
    assert "batch cut to 2" in shown
    ((path, record),), broken = read_benches([out])
    assert broken == []
    assert Store(out).files() == []
    assert path.is_relative_to(out / "bench" / "ops")
    assert (record.shape, record.batch, record.baseline) == ((4, 4, 6, 7), 2, "nn.Conv2d")
    plain, dead, hungry = record.measurements
    assert (plain.status, len(plain.seconds)) == ("ok", 6)
    assert (dead.status, hungry.status) == ("killed", "out-of-memory")
    assert dead.error is not None
    assert "ended by SIGKILL" in dead.error["message"]
    assert not (planted / "ran").exists()
    assert record.peak_flops is not None
    assert set(record.provenance) == {"hardware", "versions", "git", "load", "methods", "started"}


def test_the_batch_is_halved_until_the_baseline_fits() -> None:
    absurd = Layer(name="absurd", shape=(2, 1, 2**24, 2**24), outputs=1)
    setup = make_setup(device="cpu", threads=1, repeats=1)
    record = measure(absurd, [], setup, MACHINE, backward=False)
    assert (record.shape[0], record.batch) == (2, 1)
    assert [each.status for each in record.measurements] == ["out-of-memory"]


def test_a_whole_run_leaves_a_record(
    tmp_path: Path,
    make_task: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = make_task(dimension=2)
    monkeypatch.setenv("CROSSBENCH_DATA", str(card.parent))
    monkeypatch.setenv("COLUMNS", "200")  # so that no name is wrapped
    command = ["bench", "harness", "--task", str(card), "--method", "conv2d,conv3d"]
    command += ["--backbone", "test_resnet", "--set", "fit.epochs=1", "--threads", "1"]
    assert main([*command, "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert "conv2d on blobs" in capsys.readouterr().out
    ((_, record),), _ = read_benches([tmp_path])
    (own,) = record.measurements  # conv3d has no 2D form
    assert (own.method, own.status) == ("conv2d", "ok")
    assert own.peak_memory is not None
    assert record.batch == record.shape[0] > 0


def test_batches_are_cut_to_the_memory_that_is_free() -> None:
    layer = Layer(name="a", shape=(32, 4, 16, 16), outputs=12)
    needed = 4 * 32 * 3 * 16 * 16 * (4 + 12)
    assert _fitting_batch(layer, needed, backward=False) == 32
    assert _fitting_batch(layer, needed - 1, backward=False) == 16
    assert _fitting_batch(layer, needed, backward=True) == 16
    assert _fitting_batch(layer, 0, backward=True) == 1
    strided = dataclasses.replace(layer, stride=2)
    assert _fitting_batch(strided, needed // 2, backward=False) == 32
    network = Network(name="b", kind="image", shape=(8, 3, 10, 10), backbone="resnet18")
    assert _fitting_batch(network, 4 * 8 * 15 * 300 - 1, backward=False) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ops", "--method", "crosd"], "unknown method 'crosd'; did you mean crossd"),
        (["ops", "--shapes", "papr"], "unknown set of shapes 'papr'; did you mean paper"),
        (["ops", "--device", "gpu"], "device 'gpu' is not auto, cpu, cuda or cuda:N"),
        (["ops", "--repeats", "0"], "repeats (=0) must be at least 1"),
        (["ops", "--threads", "-1"], "threads (=-1) must be from 0 to 1024"),
        (["ops", "--max-batch", "0"], "max-batch (=0) must be at least 1"),
        (["ops", "--plugin", "none.py"], "plugin file 'none.py' does not exist"),
        (["models", "--input", "big"], "input 'big' is not a size"),
        (["models", "--batch", "0"], "batch (=0) must be at least 1"),
        (["harness", "--task", "bloood"], "unknown task 'bloood'; did you mean blood"),
        (["harness", "--preset", "smok"], "unknown preset 'smok'; did you mean smoke"),
    ],
)
def test_wrong_requests_exit_with_two_before_anything_is_measured(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("subprocess.Popen", None)  # no process is started
    assert main(["bench", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_setup_takes_every_core_unless_told() -> None:
    assert make_setup(device="cpu").threads >= 1
    assert make_setup(device="cpu", threads=3).threads == 3


def test_threads_follow_the_environment_unless_they_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    assert make_setup(device="cpu").threads == 7
    assert make_setup(device="cpu", threads=3).threads == 3
    with pytest.raises(RequestError, match=r"repeats \(=0\)"):
        make_setup(repeats=0)
