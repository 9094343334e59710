"""Metrics of a classifier: one array function and one table row each.

Every function takes labels (N,) int64 in [0, K) and probabilities (N, K) float64 whose rows
sum to one, as :func:`check_predictions` returns them. The predicted class is the most
probable one, the first of them on a tie. Conventions are scikit-learn's with
``zero_division=0``; docs/metrics.md has the formulas.

A metric that the labels leave undefined is None with a reason, never NaN and never 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossbench.errors import EvaluationError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import ArrayLike

Labels: TypeAlias = NDArray[np.int64]
Probabilities: TypeAlias = NDArray[np.float64]
PerClass: TypeAlias = tuple[float | None, ...]

# A softmax in float32 over a thousand classes is within 1e-6.
ROW_SUM_TOLERANCE = 1e-4


class UndefinedMetricError(EvaluationError):
    """A metric has no value for these labels; the message is the reason."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of :data:`METRICS`.

    Attributes:
        name: Key in records and ``--metric``.
        title: Name for people.
        higher_is_better: Whether a larger value is a better one.
        function: Labels (N,) and probabilities (N, K) to the value; raises
            :class:`UndefinedMetricError` where there is none.
        highest: The largest value that it can take; the smallest is 0.
    """

    name: str
    title: str
    higher_is_better: bool
    function: Callable[[Labels, Probabilities], float]
    highest: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ClassMetric:
    """One row of :data:`CLASS_METRICS`.

    Attributes:
        name: Key in records.
        title: Name for people.
        undefined_when: What is true of a class whose value is None.
        function: Labels (N,) and probabilities (N, K) to K values.
    """

    name: str
    title: str
    undefined_when: str
    function: Callable[[Labels, Probabilities], PerClass]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """What :func:`evaluate` finds.

    Attributes:
        metrics: Value by metric name, None where undefined.
        undefined: Reason for each None, in ``metrics`` and in ``per_class``.
        per_class: K values by metric name, None for classes where undefined.
    """

    metrics: dict[str, float | None]
    undefined: dict[str, str]
    per_class: dict[str, PerClass]


# ----------------------------------------------------------------- over all classes


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Share of samples whose predicted class is the label, in [0, 1]."""
    return float(np.mean(probabilities.argmax(axis=1) == labels))


def balanced_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Mean sensitivity over the classes present in the labels, in [0, 1]."""
    hits, support, _ = _counts(labels, probabilities)
    present = support > 0
    return float(np.mean(hits[present] / support[present]))


def precision(labels: Labels, probabilities: Probabilities) -> float:
    """Macro precision in [0, 1]; 0 for a class that is never predicted."""
    hits, support, predicted = _counts(labels, probabilities)
    return _macro(hits, predicted, support + predicted > 0)


def recall(labels: Labels, probabilities: Probabilities) -> float:
    """Macro recall in [0, 1]; 0 for a class that is predicted but absent from the labels."""
    hits, support, predicted = _counts(labels, probabilities)
    return _macro(hits, support, support + predicted > 0)


def f1(labels: Labels, probabilities: Probabilities) -> float:
    """Macro F1 in [0, 1]: the mean over classes of 2 TP / (2 TP + FP + FN)."""
    hits, support, predicted = _counts(labels, probabilities)
    return _macro(2 * hits, support + predicted, support + predicted > 0)


def auroc(labels: Labels, probabilities: Probabilities) -> float:
    """Area under the ROC curve in [0, 1]; one-vs-rest, macro, beyond two classes.

    Ties count one half (Mann-Whitney). With two classes the score is that of class 1.

    Raises:
        UndefinedMetricError: If a class is absent from the labels.
    """
    num_classes = probabilities.shape[1]
    absent = np.flatnonzero(np.bincount(labels, minlength=num_classes) == 0)
    if absent.size:
        raise UndefinedMetricError(f"{_class_list(absent)}: absent from the labels")
    scored = [1] if num_classes == 2 else range(num_classes)
    return float(np.mean([_area_under_roc(labels == k, probabilities[:, k]) for k in scored]))


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Mean negative log of the label's probability in nats, in [0, 36.04].

    Probabilities are clipped to [eps, 1 - eps], eps being float64's 2.2e-16 whatever the
    precision they were computed in, so that the bound is the same for every method.
    """
    eps = np.finfo(np.float64).eps
    chosen = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(chosen, eps, 1 - eps)).mean())


# ------------------------------------------------------------------------ per class


def sensitivity(labels: Labels, probabilities: Probabilities) -> PerClass:
    """TP / (TP + FN) of each class, in [0, 1]; None for a class without samples."""
    hits, support, _ = _counts(labels, probabilities)
    return _ratios(hits, support)


def specificity(labels: Labels, probabilities: Probabilities) -> PerClass:
    """TN / (TN + FP) of each class, in [0, 1]; None for a class that every sample has."""
    hits, support, predicted = _counts(labels, probabilities)
    negatives = len(labels) - support
    return _ratios(negatives - (predicted - hits), negatives)


def auprc(labels: Labels, probabilities: Probabilities) -> PerClass:
    """Average precision of each class, in (0, 1]; None for a class without samples."""
    classes = range(probabilities.shape[1])
    return tuple(_average_precision(labels == k, probabilities[:, k]) for k in classes)


# --------------------------------------------------------------------------- tables

METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric(name="accuracy", title="Accuracy", higher_is_better=True, function=accuracy),
        Metric(
            name="balanced_accuracy",
            title="Balanced accuracy",
            higher_is_better=True,
            function=balanced_accuracy,
        ),
        Metric(
            name="precision", title="Macro precision", higher_is_better=True, function=precision
        ),
        Metric(name="recall", title="Macro recall", higher_is_better=True, function=recall),
        Metric(name="f1", title="Macro F1", higher_is_better=True, function=f1),
        Metric(name="auroc", title="Macro AUROC", higher_is_better=True, function=auroc),
        Metric(
            name="log_loss",
            title="Log loss",
            higher_is_better=False,
            function=log_loss,
            highest=math.inf,
        ),
    )
}


def title_of(metric: str) -> str:
    """Name of a metric for people; one that this crossbench does not know keeps its own."""
    return METRICS[metric].title if metric in METRICS else metric


CLASS_METRICS: dict[str, ClassMetric] = {
    row.name: row
    for row in (
        ClassMetric(
            name="sensitivity",
            title="Sensitivity",
            undefined_when="absent from the labels",
            function=sensitivity,
        ),
        ClassMetric(
            name="specificity",
            title="Specificity",
            undefined_when="the only class in the labels",
            function=specificity,
        ),
        ClassMetric(
            name="auprc",
            title="AUPRC",
            undefined_when="absent from the labels",
            function=auprc,
        ),
    )
}


def evaluate(labels: ArrayLike, probabilities: ArrayLike) -> Scores:
    """Every metric of one set of predictions.

    Args:
        labels: (N,) whole numbers in [0, K), N >= 1.
        probabilities: (N, K) floats of any precision in [0, 1], K >= 2, rows summing to one.

    Raises:
        EvaluationError: If the arrays are not that.
    """
    true, given = check_predictions(labels, probabilities)
    metrics: dict[str, float | None] = {}
    undefined: dict[str, str] = {}
    for metric in METRICS.values():
        try:
            metrics[metric.name] = metric.function(true, given)
        except UndefinedMetricError as error:
            metrics[metric.name] = None
            undefined[metric.name] = str(error)
    per_class = {row.name: row.function(true, given) for row in CLASS_METRICS.values()}
    for name, values in per_class.items():
        missing = [k for k, value in enumerate(values) if value is None]
        if missing:
            undefined[name] = f"{_class_list(missing)}: {CLASS_METRICS[name].undefined_when}"
    return Scores(metrics=metrics, undefined=undefined, per_class=per_class)


def check_predictions(labels: ArrayLike, probabilities: ArrayLike) -> tuple[Labels, Probabilities]:
    """The two arrays as int64 and float64, once they are known to belong together.

    Raises:
        EvaluationError: If shapes, dtypes or values are not those of :func:`evaluate`.
    """
    true, given = np.asarray(labels), np.asarray(probabilities)
    _check_shapes(true, given)
    _check_labels(true, given.shape[1])
    if given.dtype.kind != "f":
        raise EvaluationError(f"probabilities have dtype {given.dtype}; pass real numbers")
    given = given.astype(np.float64)
    _check_rows(given)
    return true.astype(np.int64), given


# -------------------------------------------------------------------------- helpers


def _counts(
    labels: Labels, probabilities: Probabilities
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Per class: samples rightly predicted (TP), samples (TP + FN), predictions (TP + FP)."""
    num_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    hits = np.bincount(labels[labels == predicted], minlength=num_classes)
    support = np.bincount(labels, minlength=num_classes)
    return hits, support, np.bincount(predicted, minlength=num_classes)


def _macro(
    numerator: NDArray[np.int64], denominator: NDArray[np.int64], counted: NDArray[np.bool_]
) -> float:
    """Mean over the counted classes of a ratio that is 0 where its denominator is."""
    ratios = np.zeros(len(numerator))
    np.divide(numerator, denominator, out=ratios, where=denominator > 0)
    return float(ratios[counted].mean())


def _ratios(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> PerClass:
    pairs = zip(numerator.tolist(), denominator.tolist(), strict=True)
    return tuple(part / whole if whole else None for part, whole in pairs)


def _area_under_roc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The Mann-Whitney statistic, from mid-ranks, over the number of pairs."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = int(positive.sum())
    wins = rank[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (len(positive) - positives)))


def _average_precision(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """Sum over distinct thresholds, highest first, of recall gained times precision."""
    if not positive.any():
        return None
    _, place, count = np.unique(-score, return_inverse=True, return_counts=True)
    gained = np.bincount(place, weights=positive)
    precision_at = np.cumsum(gained) / np.cumsum(count)
    return float(np.sum(gained * precision_at) / positive.sum())


def _class_list(classes: ArrayLike) -> str:
    numbers = np.asarray(classes).tolist()
    return f"class{'es' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _check_shapes(labels: NDArray[Any], probabilities: NDArray[Any]) -> None:
    if labels.ndim != 1 or len(labels) == 0:
        raise EvaluationError(
            f"labels have shape {labels.shape}; pass one class index a sample, "
            "shape (N,) with N >= 1"
        )
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise EvaluationError(
            f"probabilities have shape {probabilities.shape}; pass one column a class, "
            "shape (N, K) with K >= 2"
        )
    if len(labels) != len(probabilities):
        raise EvaluationError(
            f"{len(labels)} labels for {len(probabilities)} rows of probabilities; "
            "pass both for the same samples"
        )


def _check_labels(labels: NDArray[Any], num_classes: int) -> None:
    if labels.dtype.kind not in "iu":
        raise EvaluationError(f"labels have dtype {labels.dtype}; pass integers")
    outside = labels[(labels < 0) | (labels >= num_classes)]
    if outside.size:
        raise EvaluationError(
            f"label {outside[0]} is outside [0, {num_classes}); "
            "give probabilities one column for every class of the task"
        )


def _check_rows(probabilities: Probabilities) -> None:
    broken = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if broken.size:
        raise EvaluationError(
            f"{broken.size} of {len(probabilities)} rows of probabilities, the first row "
            f"{broken[0]}, hold NaN or infinity; the network diverged: lower the learning rate"
        )
    lowest = probabilities.min()
    if lowest < 0:
        raise EvaluationError(f"a probability is {lowest:g}; pass softmax outputs, not logits")
    total = probabilities.sum(axis=1)
    worst = np.abs(total - 1).argmax()
    if abs(total[worst] - 1) > ROW_SUM_TOLERANCE:
        raise EvaluationError(
            f"row {worst} of probabilities sums to {total[worst]:g}, not 1 within "
            f"{ROW_SUM_TOLERANCE:g}; pass softmax outputs, not logits"
        )
