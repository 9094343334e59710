"""Metrics and tests, beside the library functions that compute a part of each."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from crossbench.evaluation.metrics import evaluate
from crossbench.evaluation.statistics import corrected_t, correlated_posterior

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


def test_test_of_scipy(benchmark: BenchmarkFixture) -> None:
    ours, theirs = np.random.default_rng(0).random((2, 15))
    benchmark.group = "one comparison of 15 paired runs"
    benchmark(stats.ttest_rel, ours, theirs)


@pytest.mark.parametrize("procedure", [corrected_t, partial(correlated_posterior, rope=0.01)])
def test_procedure(benchmark: BenchmarkFixture, procedure: object) -> None:
    ours, theirs = np.random.default_rng(0).random((2, 15))
    benchmark.group = "one comparison of 15 paired runs"
    benchmark(procedure, ours, theirs, folds=5)


@pytest.mark.parametrize("way", ["two of scikit-learn's", "all"])
@pytest.mark.parametrize("classes", [2, 8])
def test_metrics(benchmark: BenchmarkFixture, classes: int, way: str) -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(classes), 4000)
    labels = random.integers(0, classes, len(probabilities))
    scores = probabilities[:, 1] if classes == 2 else probabilities

    def two() -> None:
        balanced_accuracy_score(labels, probabilities.argmax(1))
        roc_auc_score(labels, scores, multi_class="ovr")

    benchmark.group = f"metrics of 4000 predictions, {classes} classes"
    benchmark(two if way != "all" else lambda: evaluate(labels, probabilities))
