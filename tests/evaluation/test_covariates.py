from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from crossbench.errors import RequestError, SplitError
from crossbench.evaluation.covariates import predict_covariates
from crossbench.evaluation.metrics import evaluate_log

RANDOM = np.random.default_rng(0)
LABELS = np.arange(80) % 2
AGE = 30 + 6 * LABELS + RANDOM.normal(0, 2, 80)
NOISE = RANDOM.normal(0, 1000, 80)
TRAIN, TEST = np.arange(60), np.arange(60, 80)


def predicted(covariates: Any = None, site: Any = None, labels: Any = LABELS) -> Any:
    return predict_covariates(
        covariates, site, labels=labels, num_classes=2, train=TRAIN, test=TEST
    )


def accuracy(found: Any) -> float | None:
    return evaluate_log(LABELS[TEST], found).metrics["accuracy"]


def test_covariates_of_any_scale_are_learnt_where_some_values_are_unknown() -> None:
    values = np.stack([NOISE, AGE, np.full(80, np.nan)], axis=1)
    values[::7, 1] = np.nan
    found = predicted(values)
    assert (accuracy(found) or 0) > 0.7
    np.testing.assert_allclose(np.exp(found).sum(axis=1), 1)
    np.testing.assert_array_equal(found, predicted(values))


def test_nothing_of_the_test_part_is_learnt_from() -> None:
    values = np.stack([AGE, NOISE], axis=1)
    other = values.copy()
    other[TEST[1:]] = np.nan
    np.testing.assert_array_equal(predicted(values)[0], predicted(other)[0])


def test_an_unknown_value_counts_as_the_training_parts_median() -> None:
    values = AGE[:, None].copy()
    values[TEST[0]] = np.nan
    values[TEST[1]] = np.median(AGE[TRAIN])
    found = predicted(values)
    np.testing.assert_allclose(found[0], found[1])


def test_a_site_is_learnt_and_of_a_new_one_only_the_rest_is_known() -> None:
    site = np.where(LABELS == 1, "Essen", "Bochum").astype("<U9")
    assert accuracy(predicted(site=site)) == 1
    site[TEST[:2]] = "elsewhere"
    alone, both = predicted(site=site), predicted(np.stack([NOISE], axis=1), site)
    np.testing.assert_array_equal(alone[0], alone[1])
    assert not np.allclose(both[0], both[1])


def test_data_without_either_and_one_class_are_refused() -> None:
    with pytest.raises(RequestError, match="needs covariates or sites"):
        predicted()
    with pytest.raises(SplitError, match="holds class 0 alone"):
        predicted(AGE[:, None], labels=np.zeros(80, np.int64))
