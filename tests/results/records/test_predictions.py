"""Predictions as kept: schema 2, and what is made of schema 1."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from crossbench.errors import EvaluationError, RecordError
from crossbench.evaluation.metrics import evaluate
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.store import read_folders, read_predictions

OF_0_1 = Path(__file__).parent / "of_0_1"


def arrays(**others: np.ndarray) -> dict[str, np.ndarray]:
    return {"index": np.arange(2), "label": np.array([0, 1])} | others


def test_float32_probabilities_of_schema_1_are_scored_as_what_they_are() -> None:
    given = np.array([[1.0, 1e-12], [1.0, 1e-9]], np.float32)
    found = Predictions.from_arrays(arrays(probabilities=given))
    assert found.log_probabilities.dtype == np.float64
    assert found.scores() == evaluate([0, 1], given)
    assert found.scores().metrics["auroc"] == 1.0  # one pair of equal probabilities of class 0
    np.testing.assert_allclose(found.probabilities, given, rtol=1e-14)


def test_a_file_of_another_form_is_refused() -> None:
    wide = np.array([[0.5, 0.5]] * 2)
    with pytest.raises(RecordError, match="probabilities is float64; it must be float32"):
        Predictions.from_arrays(arrays(probabilities=wide))
    with pytest.raises(RecordError, match="no array 'log_probabilities'"):
        Predictions.from_arrays(arrays())
    assert Predictions.from_arrays(arrays(log_probabilities=np.log(wide)))


def test_what_are_no_log_probabilities_have_no_scores() -> None:
    found = Predictions.from_arrays(arrays(log_probabilities=np.zeros((2, 2), np.float32)))
    with pytest.raises(EvaluationError, match="row 0 of probabilities sums to 2"):
        found.scores()


def test_a_run_of_0_1_is_read_and_its_metrics_are_made_of_its_predictions() -> None:
    """Schema 1, whose areas were ranked by float32 probabilities: a few of them are ties."""
    ((path, record),) = read_folders([OF_0_1])[0]
    predictions = read_predictions(path)
    assert set(predictions.to_arrays()) == {"index", "label", "log_probabilities"}
    assert not record.sealed
    assert predictions.scores().metrics == record.metrics
    recorded = json.loads(path.read_bytes())["metrics"]
    assert recorded.pop("auroc") == pytest.approx(record.metrics["auroc"], abs=1e-3)
    assert recorded == pytest.approx({name: record.metrics[name] for name in recorded})
