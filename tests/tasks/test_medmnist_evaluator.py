"""Our accuracy and AUROC against the ACC and AUC of MedMNIST's own Evaluator."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from crossbench.evaluation.metrics import evaluate


@pytest.fixture(scope="module")
def evaluator(tmp_path_factory: pytest.TempPathFactory) -> type[Any]:
    """The class; the package makes a folder in the user's home when it is imported."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        from medmnist.evaluator import Evaluator

    found: type[Any] = Evaluator
    return found


@pytest.fixture
def theirs(evaluator: type[Any], tmp_path: Path) -> Callable[..., Any]:
    """Evaluate scores on labels in a file as MedMNIST stores them."""

    def call(flag: str, labels: NDArray[np.int64], scores: NDArray[np.float64]) -> Any:
        np.savez(tmp_path / f"{flag}.npz", test_labels=labels[:, None].astype(np.uint8))
        return evaluator(flag, "test", root=str(tmp_path)).evaluate(scores)

    return call


FLAGS = {"vesselmnist3d": 2, "breastmnist": 2, "retinamnist": 5, "bloodmnist": 8, "organcmnist": 11}


def drawn(classes: int, seed: int, samples: int = 300) -> tuple[NDArray[np.int64], NDArray[Any]]:
    """Labels of every class, and probabilities that lean towards them."""
    random = np.random.default_rng(seed)
    labels = np.append(random.integers(0, classes, samples - classes), np.arange(classes))
    scores = random.normal(size=(samples, classes)) + np.eye(classes)[labels]
    return labels, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("flag", FLAGS)
def test_accuracy_and_auroc_are_theirs(flag: str, seed: int, theirs: Callable[..., Any]) -> None:
    labels, probabilities = drawn(FLAGS[flag], seed)
    ours, reference = evaluate(labels, probabilities), theirs(flag, labels, probabilities)
    assert ours.metrics["accuracy"] == pytest.approx(reference.ACC, abs=1e-12)
    assert ours.metrics["auroc"] == pytest.approx(reference.AUC, abs=1e-12)


@pytest.mark.parametrize("flag", ["vesselmnist3d", "bloodmnist"])
def test_ties_count_as_theirs(flag: str, theirs: Callable[..., Any]) -> None:
    """Equal probabilities mean the first class, and half a pair ranked right."""
    labels, probabilities = drawn(FLAGS[flag], 0)
    coarse = np.round(probabilities * 4) + 1
    coarse /= coarse.sum(axis=1, keepdims=True)
    ours, reference = evaluate(labels, coarse), theirs(flag, labels, coarse)
    assert ours.metrics["accuracy"] == pytest.approx(reference.ACC, abs=1e-12)
    assert ours.metrics["auroc"] == pytest.approx(reference.AUC, abs=1e-12)


def test_an_absent_class_leaves_ours_undefined_where_theirs_is_no_number(
    theirs: Callable[..., Any],
) -> None:
    labels, probabilities = drawn(5, 0)
    present = labels != 3
    labels, probabilities = labels[present], probabilities[present]
    ours = evaluate(labels, probabilities)
    with pytest.warns(UserWarning, match="Only one class is present in y_true"):
        reference = theirs("retinamnist", labels, probabilities)
    assert ours.metrics["auroc"] is None
    assert np.isnan(reference.AUC)
    assert ours.metrics["accuracy"] == pytest.approx(reference.ACC, abs=1e-12)
