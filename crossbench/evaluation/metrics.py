"""Metrics of a classifier: one array function and one table row each.

Every function takes labels (N,) int64 in [0, K) and natural log-probabilities (N, K) float64,
as :func:`~crossbench.evaluation.probabilities.check_log_probabilities` returns them. The
predicted class is the most probable one, the first of them on a tie. Conventions are
scikit-learn's with ``zero_division=0``; docs/metrics.md has the formulas.

A metric that the labels leave undefined is None with a reason, never NaN and never 0. A mean
over classes that leaves out those without samples is partial, with the same reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from crossbench.errors import EvaluationError
from crossbench.evaluation.curves import (
    area_under_roc,
    areas_against_each,
    average_precision,
    rank_scores,
)
from crossbench.evaluation.probabilities import check_log_probabilities, check_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from crossbench.evaluation.probabilities import Labels, LogProbabilities

PerClass: TypeAlias = tuple[float | None, ...]

# What a probability of 0 costs: that of float64's precision, whatever it was computed in.
_LOWEST = math.log(np.finfo(np.float64).eps)
_ABSENT = "absent from the labels"


class UndefinedMetricError(EvaluationError):
    """A metric without a value for these labels; the message is the reason.

    Args:
        reason: What is true of the classes.
        classes: The classes that leave it undefined.
    """

    def __init__(self, reason: str, classes: Sequence[int] = ()) -> None:
        super().__init__(_said_of(classes, reason))
        self.reason = reason
        self.classes = tuple(classes)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of :data:`METRICS`.

    Attributes:
        name: Key in records and ``--metric``.
        title: Name for people.
        higher_is_better: Whether a larger value is a better one.
        function: Labels (N,) and log-probabilities (N, K) to the value; raises
            :class:`UndefinedMetricError` where there is none.
        highest: The largest value that it can take.
        lowest: The smallest.
        rope: Half-width of the region of practical equivalence, in the metric's own units.
        chance: K to what a blind guess expects, which gives each of K classes the probability 1/K
            and names one of them accordingly, where every class has samples; None where it
            depends on how many samples each has.
        macro: Whether it is a mean over those classes that have samples, and so another
            quantity where one has none.
    """

    name: str
    title: str
    higher_is_better: bool
    function: Callable[[Labels, LogProbabilities], float]
    highest: float = 1.0
    lowest: float = 0.0
    rope: float = 0.01
    chance: Callable[[int], float] | None = None
    macro: bool = False


@dataclass(frozen=True, kw_only=True)
class ClassMetric:
    """One row of :data:`CLASS_METRICS`.

    Attributes:
        name: Key in records.
        title: Name for people.
        undefined_when: What is true of a class whose value is None.
        function: Labels (N,) and log-probabilities (N, K) to K values.
    """

    name: str
    title: str
    undefined_when: str
    function: Callable[[Labels, LogProbabilities], PerClass]


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Every metric of one set of predictions.

    Attributes:
        metrics: Value by metric name, None where undefined.
        undefined: Reason for each None, in ``metrics`` and in ``per_class``.
        partial: Reason for each mean over fewer classes than there are, by metric name.
        per_class: K values by metric name, None for classes where undefined.
    """

    metrics: dict[str, float | None]
    undefined: dict[str, str]
    partial: dict[str, str]
    per_class: dict[str, PerClass]


# ----------------------------------------------------------------- over all classes


def accuracy(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Share of samples whose predicted class is the label, in [0, 1]."""
    return float(np.mean(log_probabilities.argmax(axis=1) == labels))


def balanced_accuracy(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Mean sensitivity over the classes present in the labels, in [0, 1]."""
    hits, support, _ = _counts(labels, log_probabilities)
    present = support > 0
    return float(np.mean(hits[present] / support[present]))


def precision(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Macro precision in [0, 1]; 0 for a class that is never predicted."""
    hits, support, predicted = _counts(labels, log_probabilities)
    return _macro(hits, predicted, support + predicted > 0)


def recall(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Macro recall in [0, 1]; 0 for a predicted class that the labels lack."""
    hits, support, predicted = _counts(labels, log_probabilities)
    return _macro(hits, support, support + predicted > 0)


def f1(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Macro F1 in [0, 1]: the mean over classes of 2 TP / (2 TP + FP + FN)."""
    hits, support, predicted = _counts(labels, log_probabilities)
    return _macro(2 * hits, support + predicted, support + predicted > 0)


def auroc(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Area under the ROC curve in [0, 1]; beyond two classes one-vs-rest, macro.

    Ties count one half (Mann-Whitney). Samples are ranked by the log odds of the class, so
    that with two classes the value is the same whichever is called 1.

    Raises:
        UndefinedMetricError: If a class is absent from the labels.
    """
    _need_every_class(labels, log_probabilities.shape[1])
    num_classes = log_probabilities.shape[1]
    scored = [1] if num_classes == 2 else range(num_classes)
    areas = [area_under_roc(labels == k, rank_scores(log_probabilities, k)) for k in scored]
    return float(np.mean(areas))


def auroc_ovo(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Area under the ROC curve in [0, 1]; beyond two classes one-vs-one, macro.

    The mean over the pairs of classes, on the samples of both, of the areas of either against
    the other (Hand and Till 2001, equation 7; scikit-learn's ``multi_class="ovo"``). With two
    classes it is :func:`auroc`.

    Raises:
        UndefinedMetricError: If a class is absent from the labels.
    """
    num_classes = log_probabilities.shape[1]
    _need_every_class(labels, num_classes)
    if num_classes == 2:
        return auroc(labels, log_probabilities)
    areas = [
        areas_against_each(labels, rank_scores(log_probabilities, k), k) for k in range(num_classes)
    ]
    return float(np.mean(areas))


def mcc(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Matthews' correlation of labels and predictions, in [-1, 1]; beyond two classes R_K.

    Gorodkin 2004; 0 where all labels or all predictions are of one class.
    """
    hits, support, predicted = (each.astype(float) for each in _counts(labels, log_probabilities))
    total = len(labels)
    spread = (total**2 - predicted @ predicted) * (total**2 - support @ support)
    agreement = hits.sum() * total - predicted @ support
    return float(agreement / math.sqrt(spread)) if spread > 0 else 0.0


def log_loss(labels: Labels, log_probabilities: LogProbabilities) -> float:
    """Mean negative log of the label's probability in nats, in [0, 36.04].

    Probabilities below float64's precision 2.2e-16 count as that, whatever the precision they
    were computed in, so that the bound is the same for every method.
    """
    chosen = log_probabilities[np.arange(len(labels)), labels]
    return float(0.0 - np.maximum(chosen, _LOWEST).mean())


# ------------------------------------------------------------------------ per class


def sensitivity(labels: Labels, log_probabilities: LogProbabilities) -> PerClass:
    """TP / (TP + FN) of each class, in [0, 1]; None for a class without samples."""
    hits, support, _ = _counts(labels, log_probabilities)
    return _ratios(hits, support)


def specificity(labels: Labels, log_probabilities: LogProbabilities) -> PerClass:
    """TN / (TN + FP) of each class, in [0, 1]; None for a class that every sample has."""
    hits, support, predicted = _counts(labels, log_probabilities)
    negatives = len(labels) - support
    return _ratios(negatives - (predicted - hits), negatives)


def auprc(labels: Labels, log_probabilities: LogProbabilities) -> PerClass:
    """Average precision of each class in (0, 1]; None for a class without samples."""
    return tuple(
        average_precision(labels == k, rank_scores(log_probabilities, k))
        for k in range(log_probabilities.shape[1])
    )


# --------------------------------------------------------------------------- tables


def _share(num_classes: int) -> float:
    return 1 / num_classes


def _half(_: int) -> float:
    return 0.5


def _none(_: int) -> float:
    return 0.0


METRICS: dict[str, Metric] = {
    row.name: row
    for row in (
        Metric(
            name="accuracy",
            title="Accuracy",
            higher_is_better=True,
            function=accuracy,
            chance=_share,
        ),
        Metric(
            name="balanced_accuracy",
            title="Balanced accuracy",
            higher_is_better=True,
            function=balanced_accuracy,
            chance=_share,
            macro=True,
        ),
        Metric(
            name="precision",
            title="Macro precision",
            higher_is_better=True,
            function=precision,
            macro=True,
        ),
        Metric(
            name="recall",
            title="Macro recall",
            higher_is_better=True,
            function=recall,
            chance=_share,
            macro=True,
        ),
        Metric(name="f1", title="Macro F1", higher_is_better=True, function=f1, macro=True),
        Metric(
            name="auroc",
            title="Macro AUROC, one-vs-rest",
            higher_is_better=True,
            function=auroc,
            chance=_half,
        ),
        Metric(
            name="auroc_ovo",
            title="Macro AUROC, one-vs-one",
            higher_is_better=True,
            function=auroc_ovo,
            chance=_half,
        ),
        Metric(
            name="mcc",
            title="Matthews correlation",
            higher_is_better=True,
            function=mcc,
            lowest=-1.0,
            chance=_none,
        ),
        Metric(
            name="log_loss",
            title="Log loss",
            higher_is_better=False,
            function=log_loss,
            highest=math.inf,
            rope=0.02,  # nats: the label's probability changes by 2 %
            chance=math.log,
        ),
    )
}


def expected_by_chance(metric: str, num_classes: int) -> float | None:
    """What a blind guess expects of a metric (:attr:`Metric.chance`); None where not defined."""
    row = METRICS.get(metric)
    return None if row is None or row.chance is None else row.chance(num_classes)


def title_of(metric: str) -> str:
    """Display name of a metric; an unknown one keeps its own."""
    return METRICS[metric].title if metric in METRICS else metric


CLASS_METRICS: dict[str, ClassMetric] = {
    row.name: row
    for row in (
        ClassMetric(
            name="sensitivity",
            title="Sensitivity",
            undefined_when=_ABSENT,
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
            undefined_when=_ABSENT,
            function=auprc,
        ),
    )
}


def evaluate(
    labels: ArrayLike, probabilities: ArrayLike, classes: Sequence[str] | None = None
) -> Scores:
    """Every metric of one set of predictions.

    Example:
        >>> evaluate([0, 1, 1], [[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]).metrics["accuracy"]
        0.6666666666666666

    Args:
        labels: (N,) whole numbers in [0, K), N >= 1.
        probabilities: (N, K) floats of any precision, float16 included, in [0, 1], K >= 2, rows
            summing to one within 1e-4 or twice their precision, whichever is more.
        classes: Names of the K classes, for the reasons; their numbers where None.

    Raises:
        EvaluationError: If the arrays are not that.
    """
    return _evaluate(*check_probabilities(labels, probabilities), classes)


def evaluate_log(
    labels: ArrayLike, log_probabilities: ArrayLike, classes: Sequence[str] | None = None
) -> Scores:
    """The same from natural log-probabilities, as records keep them.

    Args:
        labels: (N,) whole numbers in [0, K), N >= 1.
        log_probabilities: (N, K) floats of any precision in [-inf, 0], K >= 2.
        classes: Names of the K classes, for the reasons; their numbers where None.

    Raises:
        EvaluationError: If the arrays are not that.
    """
    return _evaluate(*check_log_probabilities(labels, log_probabilities), classes)


def _evaluate(
    labels: Labels, log_probabilities: LogProbabilities, names: Sequence[str] | None
) -> Scores:
    metrics: dict[str, float | None] = {}
    undefined: dict[str, str] = {}
    for metric in METRICS.values():
        try:
            metrics[metric.name] = metric.function(labels, log_probabilities)
        except UndefinedMetricError as error:
            metrics[metric.name] = None
            undefined[metric.name] = _said_of(error.classes, error.reason, names)
    per_class = {
        row.name: row.function(labels, log_probabilities) for row in CLASS_METRICS.values()
    }
    for name, values in per_class.items():
        missing = [k for k, value in enumerate(values) if value is None]
        if missing:
            undefined[name] = _said_of(missing, CLASS_METRICS[name].undefined_when, names)
    absent = _absent(labels, log_probabilities.shape[1])
    partial = {
        metric.name: _said_of(absent, _ABSENT, names)
        for metric in METRICS.values()
        if metric.macro and absent
    }
    return Scores(metrics=metrics, undefined=undefined, partial=partial, per_class=per_class)


# -------------------------------------------------------------------------- helpers


def _counts(
    labels: Labels, log_probabilities: LogProbabilities
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Per class: true positives, samples (TP + FN), predictions (TP + FP)."""
    num_classes = log_probabilities.shape[1]
    predicted = log_probabilities.argmax(axis=1)
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


def _absent(labels: Labels, num_classes: int) -> list[int]:
    """The classes that no label names."""
    counts = np.bincount(labels, minlength=num_classes)
    absent: list[int] = np.flatnonzero(counts == 0).tolist()
    return absent


def _need_every_class(labels: Labels, num_classes: int) -> None:
    if absent := _absent(labels, num_classes):
        raise UndefinedMetricError(_ABSENT, absent)


def _said_of(classes: Sequence[int], what: str, names: Sequence[str] | None = None) -> str:
    """Classes and what holds of them, in words; numbers where they have no names."""
    words = [str(k) if names is None else repr(names[k]) for k in classes]
    return f"class{'es' if len(words) > 1 else ''} {', '.join(words)}: {what}"
