"""Class probabilities as natural logarithms: from logits, as stored, and checked.

Log-probabilities are what records keep and what every metric is computed from. In float32 a
probability saturates at 1 from a margin of some 17 nats on, and samples that the network tells
apart become ties; its logarithm is 0 only from a margin of some 100 on, and that of the other
class never saturates.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossbench.errors import EvaluationError

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import ArrayLike

Labels: TypeAlias = NDArray[np.int64]
LogProbabilities: TypeAlias = NDArray[np.float64]

#: How far from one the probabilities of a sample may add up to, where they were computed in
#: float32 or better: a softmax in float32 over a thousand classes is within 1e-6.
ROW_SUM_TOLERANCE = 1e-4


def log_softmax(logits: NDArray[np.floating[Any]]) -> LogProbabilities:
    """Natural logarithms of the softmax of each row.

    The logarithm of a probability near 1 keeps its relative precision: it is computed as
    ``-log1p`` of what the other classes add, which a sum with 1 would swallow.

    Args:
        logits: (N, K) of any precision; -inf for a class that has probability 0.

    Returns:
        (N, K) float64 in [-inf, 0]; NaN in rows that hold NaN or +inf.
    """
    wide = np.asarray(logits, dtype=np.float64)
    rows, highest = np.arange(len(wide)), wide.argmax(axis=1)
    with np.errstate(invalid="ignore"):  # rows of NaN, which are refused where they are scored
        shifted = wide - wide[rows, highest][:, None]
        others = np.exp(shifted)
        others[rows, highest] = 0
        result: LogProbabilities = shifted - np.log1p(others.sum(axis=1))[:, None]
    return result


def log_of(probabilities: NDArray[np.floating[Any]]) -> LogProbabilities:
    """(N, K) float64 natural logarithms of probabilities; -inf where one is 0."""
    with np.errstate(divide="ignore"):
        logs: LogProbabilities = np.log(np.asarray(probabilities, dtype=np.float64))
    return logs


def log_predictions(
    regression: Any, features: NDArray[np.float64], num_classes: int
) -> LogProbabilities:
    """Log-probabilities of a fitted scikit-learn ``LogisticRegression``.

    Args:
        regression: Fitted to labels in [0, K), of which training may have lacked some.
        features: (N, F).
        num_classes: K.

    Returns:
        (N, K); -inf for a class that training lacked.
    """
    margins = regression.decision_function(features)
    if margins.ndim == 1:  # the logistic curve of two classes is the softmax of 0 and these
        margins = np.stack([np.zeros_like(margins), margins], axis=1)
    logits = np.full((len(features), num_classes), -np.inf)
    logits[:, regression.classes_] = margins
    return log_softmax(logits)


def as_stored(log_probabilities: LogProbabilities) -> NDArray[np.float32]:
    """Float32 logarithms as records keep them; -inf where float32 overflows."""
    with np.errstate(over="ignore"):
        return log_probabilities.astype(np.float32)


# -------------------------------------------------------------------------- checks


def check_probabilities(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[Labels, LogProbabilities]:
    """Check labels and probabilities; return int64 and float64 logarithms.

    Args:
        labels: (N,) whole numbers in [0, K), N >= 1.
        probabilities: (N, K) floats of any precision in [0, 1], K >= 2, rows summing to one
            within 1e-4, and in float16 within twice its precision, 0.002.

    Raises:
        EvaluationError: If the arrays are not that.
    """
    true, given = np.asarray(labels), np.asarray(probabilities)
    _check_shapes(true, given, "probabilities")
    tolerance = max(ROW_SUM_TOLERANCE, 2 * float(np.finfo(given.dtype).eps))
    wide = given.astype(np.float64)
    _check_finite(np.isfinite(wide), "probabilities", "NaN or infinity")
    if (lowest := wide.min()) < 0:
        raise EvaluationError(f"a probability is {lowest:g}; pass softmax outputs, not logits")
    _check_sums(wide, tolerance, "softmax")
    return true.astype(np.int64), log_of(wide)


def check_log_probabilities(
    labels: ArrayLike, log_probabilities: ArrayLike
) -> tuple[Labels, LogProbabilities]:
    """Check labels and log-probabilities; return int64 and float64.

    Args:
        labels: (N,) whole numbers in [0, K), N >= 1.
        log_probabilities: (N, K) floats in [-inf, 0], K >= 2, whose exponentials sum to one
            in each row, as :func:`check_probabilities` asks.

    Raises:
        EvaluationError: If the arrays are not that.
    """
    true, given = np.asarray(labels), np.asarray(log_probabilities)
    _check_shapes(true, given, "log-probabilities")
    tolerance = max(ROW_SUM_TOLERANCE, 2 * float(np.finfo(given.dtype).eps))
    wide = given.astype(np.float64)
    _check_finite(wide < np.inf, "log-probabilities", "NaN or +infinity")
    if (highest := wide.max()) > tolerance:
        msg = f"a log-probability is {highest:g}, above 0; pass log-softmax outputs, not logits"
        raise EvaluationError(msg)
    _check_sums(np.exp(wide), tolerance, "log-softmax")
    return true.astype(np.int64), wide


def _check_shapes(labels: NDArray[Any], given: NDArray[Any], what: str) -> None:
    if labels.ndim != 1 or len(labels) == 0:
        raise EvaluationError(
            f"labels have shape {labels.shape}; pass one class index a sample, "
            "shape (N,) with N >= 1"
        )
    if given.ndim != 2 or given.shape[1] < 2:
        raise EvaluationError(
            f"{what} have shape {given.shape}; pass one column a class, shape (N, K) with K >= 2"
        )
    if len(labels) != len(given):
        raise EvaluationError(
            f"{len(labels)} labels for {len(given)} rows of {what}; pass both for the same samples"
        )
    if labels.dtype.kind not in "iu":
        raise EvaluationError(f"labels have dtype {labels.dtype}; pass integers")
    outside = labels[(labels < 0) | (labels >= given.shape[1])]
    if outside.size:
        raise EvaluationError(
            f"label {outside[0]} is outside [0, {given.shape[1]}); "
            f"give {what} one column for every class of the task"
        )
    if given.dtype.kind != "f":
        raise EvaluationError(f"{what} have dtype {given.dtype}; pass real numbers")


def _check_finite(fine: NDArray[np.bool_], what: str, holding: str) -> None:
    broken = np.flatnonzero(~fine.all(axis=1))
    if broken.size:
        raise EvaluationError(
            f"{broken.size} of {len(fine)} rows of {what}, the first row {broken[0]}, "
            f"hold {holding}; the network diverged: lower the learning rate"
        )


def _check_sums(probabilities: NDArray[np.float64], tolerance: float, outputs: str) -> None:
    total = probabilities.sum(axis=1)
    worst = np.abs(total - 1).argmax()
    if abs(total[worst] - 1) > tolerance:
        raise EvaluationError(
            f"row {worst} of probabilities sums to {total[worst]:g}, not 1 within "
            f"{tolerance:g}; pass {outputs} outputs, not logits"
        )
