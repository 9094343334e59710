"""Plain baselines that stand beside every task's results, never ranked among the methods.

They answer what a network has to beat: guessing the commonest class, a linear model of the
pixels, and a linear model of one measurement such as a nodule's diameter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import DataError, RequestError, SplitError, unknown_name
from crossbench.evaluation.probabilities import log_of, log_predictions

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from crossbench.evaluation.probabilities import LogProbabilities


@dataclass(frozen=True, kw_only=True)
class PlainBaseline:
    """One row of :data:`PLAIN_BASELINES`.

    Attributes:
        name: Key in records, in the place of a method's name.
        title: Name for people.
        needs_covariate: Whether it applies only to tasks with a covariate.
    """

    name: str
    title: str
    needs_covariate: bool = False


PLAIN_BASELINES: dict[str, PlainBaseline] = {
    row.name: row
    for row in (
        PlainBaseline(name="majority", title="Majority class"),
        PlainBaseline(name="logistic", title="Logistic regression on pixels"),
        PlainBaseline(
            name="covariate", title="Logistic regression on the covariate", needs_covariate=True
        ),
    )
}

# Inverse L2 penalties of scikit-learn's logistic regression, the same for every task. The one
# for pixels was chosen once, from powers of ten, by the cross-validated log loss of nodule
# malignancy in 2D and 3D; a single covariate needs next to no penalty.
_C_PIXELS = 1e-3
_C_COVARIATE = 1.0
# Pixels lie in [0, 1]: one that hardly varies in training must not decide a test sample.
_STD_FLOOR = 0.01
_MAX_ITER = 10_000


def applicable_plain(*, has_covariate: bool) -> tuple[str, ...]:
    """Names of the baselines that a task with or without a covariate has."""
    return tuple(
        row.name for row in PLAIN_BASELINES.values() if has_covariate or not row.needs_covariate
    )


def predict_plain(
    name: str,
    *,
    features: Callable[[NDArray[np.int64]], NDArray[np.float64]],
    labels: NDArray[np.int64],
    covariate: NDArray[np.float64] | None,
    num_classes: int,
    train: NDArray[np.int64],
    test: NDArray[np.int64],
) -> LogProbabilities:
    """Class log-probabilities of a plain baseline for the test part.

    Deterministic. Only ``logistic`` asks for features.

    Args:
        name: ``majority``, ``logistic`` or ``covariate``.
        features: Gives the samples at n indices as (n, F) values within about one of each other.
        labels: (N,) in [0, num_classes).
        covariate: (N,) positive measurements, such as diameters in mm, or None.
        num_classes: K.
        train: Indices of the samples to learn from.
        test: Indices of the samples to predict.

    Returns:
        (len(test), K) natural logarithms; -inf for a class that training has no sample of.

    Raises:
        RequestError: If no baseline has this name, or it needs a covariate and there is none.
        DataError: If a covariate is not positive and finite.
        SplitError: If a logistic regression is left with training samples of one class.
    """
    if name not in PLAIN_BASELINES:
        raise unknown_name("plain baseline", name, PLAIN_BASELINES)
    if name == "majority":
        priors = np.bincount(labels[train], minlength=num_classes) / len(train)
        return log_of(np.tile(priors, (len(test), 1)))
    if name == "covariate":
        values = _log_covariate(covariate)
        return _logistic(values[train], labels[train], values[test], num_classes, _C_COVARIATE)
    return _logistic(features(train), labels[train], features(test), num_classes, _C_PIXELS)


def _logistic(
    train: NDArray[np.float64],
    labels: NDArray[np.int64],
    test: NDArray[np.float64],
    num_classes: int,
    inverse_penalty: float,
) -> LogProbabilities:
    """Multinomial logistic regression on (N, F) features standardised by the training part."""
    from sklearn.linear_model import LogisticRegression  # slow to import

    classes = np.unique(labels)
    if len(classes) < 2:
        raise SplitError(
            f"the training part holds class {classes[0]} alone; logistic regression needs two: "
            "use fewer folds or a stratified split"
        )
    mean, scale = train.mean(axis=0), np.maximum(train.std(axis=0), _STD_FLOOR)
    model = LogisticRegression(C=inverse_penalty, max_iter=_MAX_ITER)
    model.fit((train - mean) / scale, labels)
    return log_predictions(model, (test - mean) / scale, num_classes)


def _log_covariate(covariate: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """(N, 1) natural logarithms."""
    if covariate is None:
        raise RequestError(
            "baseline 'covariate' needs a task with a covariate; "
            "this one has none: ask for 'majority' or 'logistic'"
        )
    bad = np.flatnonzero(~(np.isfinite(covariate) & (covariate > 0)))
    if bad.size:
        raise DataError(
            f"covariate of sample {bad[0]} is {covariate[bad[0]]:g}; "
            "its logarithm is taken, so store positive finite values"
        )
    return np.log(covariate.astype(np.float64))[:, None]
