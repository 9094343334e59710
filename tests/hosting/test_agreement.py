from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from made_boards import PLAIN, run
from made_records import identified

from crossbench.hosting.agreement import disagreements
from crossbench.hosting.sketches import sketched
from crossbench.results.records.sketches import Sketch
from crossbench.results.records.store import Store


def folder(path: Path, *runs: tuple[object, object]) -> tuple[Sketch, ...]:
    """The sketches of a folder of these runs."""
    for each in runs:
        Store(path).write(*each)
    return sketched(path)


def test_equal_runs_agree(tmp_path: Path) -> None:
    runs = [run("mine", "blood", fold, 1.0) for fold in range(2)]
    one, other = folder(tmp_path / "one", *runs), folder(tmp_path / "other", *runs)
    assert list(disagreements(one, other)) == []


def test_another_result_of_one_run_is_named(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", run("mine", "blood", 0, 1.0))
    other = folder(tmp_path / "other", run("mine", "blood", 0, 0.2))
    (found,) = disagreements(one, other)
    assert found.startswith("mine on blood, seed 43, fold 0: balanced_accuracy is ")
    assert "in the record of the same run on the board; one of the two was changed" in found


def test_a_failed_run_contradicts_nothing(tmp_path: Path) -> None:
    error = {"class": "RuntimeError", "message": "out of memory"}
    failed = run("mine", "blood", 0, 1.0, status="failed", metrics={}, error=error)
    one, other = (
        folder(tmp_path / "one", failed),
        folder(tmp_path / "two", run("mine", "blood", 0, 1.0)),
    )
    assert list(disagreements(one, other)) == []


def test_predictions_of_another_method_are_named(tmp_path: Path) -> None:
    record, predictions = run("mine", "blood", 0, 1.0)
    theirs, _ = run("theirs", "blood", 0, 1.0, metrics=record.metrics, per_class=record.per_class)
    one = folder(tmp_path / "one", (theirs, predictions))
    other = folder(tmp_path / "other", (record, predictions))
    (found,) = disagreements(one, other)
    assert found.startswith("the predictions of 1 runs are, bit for bit, those of mine on the")
    assert "theirs on blood" in found


def test_the_same_predictions_in_another_order_are_named(tmp_path: Path) -> None:
    record, predictions = run("mine", "blood", 0, 1.0)
    turned = dataclasses.replace(
        predictions,
        label=predictions.label[::-1],
        log_probabilities=predictions.log_probabilities[::-1],
    )
    scores = turned.scores()
    theirs, _ = run("theirs", "blood", 0, 1.0, metrics=scores.metrics, per_class=scores.per_class)
    theirs = dataclasses.replace(theirs, dimension=3)
    one = folder(tmp_path / "one", (identified(theirs, turned), turned))
    other = folder(tmp_path / "other", (record, predictions))
    assert [each for each in disagreements(one, other) if "those of mine" in each]


@pytest.mark.parametrize(("dimension", "named"), [(2, 0), (3, 1)])
def test_two_methods_may_have_one_network_in_2d(tmp_path: Path, dimension: int, named: int) -> None:
    """A plain convolution in 2D is the same under many a method, and draws the same numbers."""
    record, predictions = run("mine", "blood", 0, 1.0, dimension=dimension)
    theirs, _ = run(
        "theirs",
        "blood",
        0,
        1.0,
        dimension=dimension,
        metrics=record.metrics,
        per_class=record.per_class,
    )
    one = folder(tmp_path / "one", (theirs, predictions))
    other = folder(tmp_path / "other", (record, predictions))
    assert len(list(disagreements(one, other))) == named


def test_plain_baselines_are_everybodys(tmp_path: Path) -> None:
    one = folder(tmp_path / "one", run(PLAIN, "blood", 0, 1.0))
    other = folder(tmp_path / "other", run(PLAIN, "blood", 0, 1.0))
    assert list(disagreements(one, other)) == []
