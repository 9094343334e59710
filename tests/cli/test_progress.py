"""What is said of progress where standard error is no terminal."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from crossbench.api import prepare
from crossbench.cli import main, output
from crossbench.cli.progress import FetchBar, ProgressBar, _Lines
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_each_run_has_a_line_with_the_time_that_is_left(
    make_task: Callable[..., Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--method", "conv3d,acs", "--task", str(make_task()), "--seeds", "43"]
    words += ["--folds", "0", "--data-dir", str(tmp_path), "--out", str(tmp_path / "out")]
    words += ["--set", "fit.epochs=1", "--set", "compute.threads=1", "--backbone", "test_resnet"]
    assert main([*words, "--device", "cpu"]) == 0
    said = [line for line in capfd.readouterr().err.splitlines() if " runs, " in line]
    assert [line.partition(" ")[0] for line in said] == ["1/4", "2/4", "3/4", "4/4"]
    form = r"\d/4 runs, \d+ s elapsed, about \d+ s left: (conv3d|acs|majority|logistic) on .*: ok"
    assert all(re.fullmatch(form, line) for line in said)


def test_the_rest_is_estimated_from_work_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crossbench.cli.progress.perf_counter", iter((0, 100, 110, 120)).__next__)
    lines = _Lines(print, str)
    lines.counted_from_here()
    assert lines.times(0.01) == "2 min elapsed"
    assert lines.times(0.25) == "2 min elapsed, about 60 s left"


def test_a_long_run_has_a_line_every_few_minutes(
    make_task: Callable[..., Path],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crossbench.cli.progress._EVERY", 0.01)
    store = Store(tmp_path / "out")
    plan = prepare("conv3d", str(make_task()), store=store, data_dir=tmp_path, limit=1)
    said = ""
    with ProgressBar([plan]) as bar:
        bar.started(plan.runs[0])
        while "at work on conv3d" not in said:
            time.sleep(0.01)
            said += capfd.readouterr().err
    assert re.search(r"^0/1 runs, 0 s elapsed: at work on conv3d on blobs, ", said, re.MULTILINE)


def test_other_work_has_a_line_now_and_then(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_EVERY", 0.0)
    assert list(output.tracked("ab", "measuring")) == ["a", "b"]
    said = capfd.readouterr().err
    assert said == "measuring: 1 done in 0 min\nmeasuring: 2 done in 0 min\n"


def test_fetches_are_told_in_lines_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossbench.cli.progress._EVERY", 0.01)
    with FetchBar() as bar:
        bar.begun("a.npz", 1000, 5000)
        bar.advanced(1500)
        time.sleep(0.1)
        bar.said("a.npz: it changed meanwhile, begun again")
        bar.begun("b.npz", 0, None)
    lines = capsys.readouterr().err.splitlines()
    assert "fetching a.npz: 5.0 kB, 1.0 kB there" in lines
    assert any(
        re.fullmatch(r"a\.npz, 2\.5 kB of 5\.0 kB, \S+ \S+/s: fetching", each) for each in lines
    )
    assert lines.index("a.npz: it changed meanwhile, begun again") < lines.index(
        "fetching b.npz: unknown"
    )
