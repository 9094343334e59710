"""A linear classifier over features: multinomial logistic regression, its penalty selected."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import SplitError
from crossbench.evaluation.probabilities import log_predictions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crossbench.evaluation.probabilities import LogProbabilities

_MAX_ITER = 10_000
# What a probability of 0 costs in a loss.
_LOWEST = math.log(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Samples as features.

    Attributes:
        features: (n, F) floating point.
        labels: (n,) int64 in [0, K).
    """

    features: NDArray[np.floating[Any]]
    labels: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class LinearFit:
    """A fitted linear classifier.

    Attributes:
        scaler: scikit-learn's ``StandardScaler`` of the training part.
        regression: scikit-learn's ``LogisticRegression`` on standardised features.
        num_classes: K, those included that training had no sample of.
        path: One row a penalty that was tried: C, train_loss, val_loss, val_accuracy.
    """

    scaler: Any
    regression: Any
    num_classes: int
    path: tuple[dict[str, float], ...]

    @property
    def inverse_penalty(self) -> float:
        """The selected ``C``."""
        return float(self.regression.C)

    @property
    def weights(self) -> int:
        """Number of its weights, intercepts not counted."""
        return int(self.regression.coef_.size)

    @property
    def trainable(self) -> int:
        """Number of its weights and intercepts."""
        return self.weights + int(self.regression.intercept_.size)

    def head(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Weight (K, F) and bias (K,) of a linear layer that gives :meth:`log_probabilities`.

        Those are its log-softmax. Standardisation is folded in, and the logistic curve of two
        classes is the softmax of 0 and its argument. A class that training had no sample of is
        given the lowest bias there is, which leaves it a probability of 0. Exact but for
        rounding to float32.
        """
        weight = self.regression.coef_ / self.scaler.scale_
        bias = self.regression.intercept_ - weight @ self.scaler.mean_
        if len(weight) == 1:
            weight, bias = np.vstack([0 * weight, weight]), np.append(0 * bias, bias)
        limits = np.finfo(np.float32)
        weights = np.zeros((self.num_classes, weight.shape[1]), np.float32)
        biases = np.full(self.num_classes, limits.min, np.float32)
        weights[self.regression.classes_], biases[self.regression.classes_] = weight, bias
        return weights, biases

    def log_probabilities(self, features: NDArray[np.floating[Any]]) -> LogProbabilities:
        """Log-probabilities (n, K) of features (n, F); -inf for a class not trained on."""
        inputs = self.scaler.transform(features.astype(np.float64))
        return log_predictions(self.regression, inputs, self.num_classes)


def fit_linear(
    inverse_penalties: Sequence[float], *, train: Part, validation: Part, num_classes: int
) -> LinearFit:
    """Fit a logistic regression under ever weaker penalties until the validation loss rises.

    Features are standardised by the training part, and each fit starts from the one before.
    The one of the lowest validation loss is kept, of equal ones the first: weaker penalties than
    the first that does harm are the slowest to fit and are not tried. The validation part
    selects and is never learnt from, as under the other protocols. Deterministic.

    Args:
        inverse_penalties: Values of scikit-learn's ``C``, the strongest penalty first.
        train: What is learnt from.
        validation: What selects; it may lack classes.
        num_classes: K.

    Raises:
        SplitError: If the training part holds one class alone.
    """
    from sklearn.linear_model import LogisticRegression  # slow to import
    from sklearn.preprocessing import StandardScaler

    classes = np.unique(train.labels)
    if len(classes) < 2:
        raise SplitError(
            f"the training part holds class {classes[0]} alone; a linear probe needs two: "
            "use fewer folds or a stratified split"
        )
    scaler = StandardScaler().fit(train.features.astype(np.float64))
    inputs, unseen = (
        scaler.transform(part.features.astype(np.float64)) for part in (train, validation)
    )
    regression = LogisticRegression(max_iter=_MAX_ITER, warm_start=True)
    path: list[dict[str, float]] = []
    lowest, best = math.inf, regression
    for inverse_penalty in inverse_penalties:
        regression.set_params(C=inverse_penalty).fit(inputs, train.labels)
        train_loss, _ = _score(log_predictions(regression, inputs, num_classes), train.labels)
        val_loss, val_accuracy = _score(
            log_predictions(regression, unseen, num_classes), validation.labels
        )
        path.append(
            {
                "C": inverse_penalty,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_accuracy": val_accuracy,
            }
        )
        if val_loss > lowest:
            break
        if val_loss < lowest:
            lowest, best = val_loss, copy.deepcopy(regression)
    return LinearFit(scaler=scaler, regression=best, num_classes=num_classes, path=tuple(path))


def _score(log_probabilities: LogProbabilities, labels: NDArray[np.int64]) -> tuple[float, float]:
    """Mean cross-entropy and accuracy."""
    given = log_probabilities[np.arange(len(labels)), labels]
    loss = -np.maximum(given, _LOWEST).mean()
    return float(loss), float((log_probabilities.argmax(axis=1) == labels).mean())
