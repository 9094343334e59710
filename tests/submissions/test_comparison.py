"""Runs that were made again, held against their records."""

from __future__ import annotations

import copy
import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.evaluation.probabilities import as_stored, log_of
from crossbench.results.records.files import read_record
from crossbench.results.records.store import Predictions, read_predictions
from crossbench.specs import RunRecord
from crossbench.submissions.comparison import compare

if TYPE_CHECKING:
    from made_submission import Made


@pytest.fixture
def recorded(made: Made) -> tuple[RunRecord, Predictions]:
    path = made.records()[0]
    return read_record(path), read_predictions(path)


def elsewhere(recorded: tuple[RunRecord, Predictions], **hashes: str) -> tuple[RunRecord, Any]:
    record, predictions = copy.deepcopy(recorded)
    record.provenance["hardware"]["processor"] = "another"
    record.provenance["hashes"].update(hashes)
    return record, predictions


def shifted(predictions: Predictions, turned: int, shift: float = 1e-4) -> Predictions:
    """Predictions a little off, with some samples of the other class."""
    rows = np.exp(predictions.log_probabilities.astype(np.float64))
    rows[:turned] = rows[:turned, ::-1]
    moved = as_stored(log_of(np.clip(rows + np.array([shift, -shift]), 1e-6, 1)))
    return dataclasses.replace(predictions, log_probabilities=moved)


def test_the_same_bits_are_equal_on_any_machine(recorded: tuple[RunRecord, Predictions]) -> None:
    for again in (recorded, elsewhere(recorded)):
        rerun = compare(recorded, again)
        assert (rerun.outcome, rerun.agreement, rerun.deviation) == ("equal", 1.0, 0.0)
        assert rerun.confirmed
    assert str(rerun).endswith(" again (bit for bit)")


def test_other_bits_differ_on_a_like_machine(recorded: tuple[RunRecord, Predictions]) -> None:
    again = recorded[0], shifted(recorded[1], turned=0)
    rerun = compare(recorded, again)
    assert (rerun.outcome, rerun.alike, rerun.confirmed) == ("differs", True, False)
    assert "not bit for bit, though machine and versions are those of the record" in str(rerun)


@pytest.mark.parametrize("kind", ["versions", "git", "hardware"])
def test_other_bits_may_agree_elsewhere(recorded: tuple[RunRecord, Predictions], kind: str) -> None:
    record = copy.deepcopy(recorded[0])
    record.provenance[kind]["torch"] = "another"
    rerun = compare(recorded, (record, shifted(recorded[1], turned=1)))
    assert (rerun.outcome, rerun.alike) == ("agrees", False)
    assert rerun.agreement == pytest.approx(8 / 9)
    assert ": agrees, 88.9% of the samples get the same class, balanced_accuracy " in str(rerun)


def test_too_many_other_classes_differ_elsewhere(recorded: tuple[RunRecord, Predictions]) -> None:
    record, predictions = elsewhere(recorded)
    rerun = compare(recorded, (record, shifted(predictions, turned=2)))
    assert (rerun.outcome, rerun.detail) == ("differs", "beyond the tolerance")


def test_another_metric_differs_elsewhere(recorded: tuple[RunRecord, Predictions]) -> None:
    many = dataclasses.replace(
        recorded[1],
        **{name: np.repeat(array, 4, axis=0) for name, array in recorded[1].to_arrays().items()},
    )
    record, _ = elsewhere(recorded)
    again = record, shifted(many, turned=2)
    assert compare((recorded[0], many), again).outcome == "agrees"
    record.metrics[record.metric] = (recorded[0].metrics[record.metric] or 0) + 0.06
    assert compare((recorded[0], many), again).outcome == "differs"


def test_runs_under_other_conditions_are_not_compared(
    recorded: tuple[RunRecord, Predictions],
) -> None:
    other = elsewhere(recorded, method="0", harness="9.9")
    rerun = compare(recorded, other)
    assert (rerun.outcome, rerun.confirmed) == ("not comparable", False)
    here = recorded[0].provenance["hashes"]["harness"]
    assert rerun.detail == (
        f"other version of crossbench ({here}, now 9.9); other source of the method"
    )
