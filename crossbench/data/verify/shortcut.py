"""The shortcut check: what plain models get from the acquisition of samples alone."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from crossbench.data.subset import subset
from crossbench.data.verify.verdict import Shortcut
from crossbench.evaluation.metrics import METRICS
from crossbench.evaluation.probabilities import log_of, log_predictions
from crossbench.evaluation.statistics import corrected_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from crossbench.data.splits import Split

    Features = NDArray[Any]

#: Samples that the check is done on at most.
MOST = 4000

_METRIC = METRICS["balanced_accuracy"]
_TREES = {"max_iter": 30, "max_leaf_nodes": 15, "max_bins": 64}
_SEED = 0
_LEVEL = 0.05


def drawn(labels: NDArray[np.int64], groups: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """The samples that the check is done on: all, or a stratified draw of whole groups."""
    if len(labels) <= MOST:
        return np.arange(len(labels))
    return subset(labels, groups, MOST, _SEED, setting="the shortcut check")


def shortcuts(
    features: Mapping[str, Features], labels: NDArray[np.int64], splits: Sequence[Split]
) -> tuple[Shortcut, ...]:
    """Cross-validated balanced accuracy of two plain models on each set of features and on all.

    Both weigh classes alike: logistic regression on standardised features, and gradient boosting
    of histograms, which sees their interactions.

    Args:
        features: (N, F) values by the name of the set.
        labels: (N,) classes.
        splits: Folds of one repetition or more; validation counts as training.
    """
    sets = {name: values for name, values in features.items() if np.ptp(values, axis=0).any()}
    if len(sets) > 1:
        sets["all together"] = np.concatenate([*sets.values()], axis=1)
    folds = 1 + max(split.fold for split in splits)
    majority = _majority(labels, splits)
    tried = [(name, model) for name in sets for model in ("logistic", "boosting")]
    found = []
    for name, model in tried:
        with threadpool_limits(1):  # trees this small are slower on more
            scores = [_score(model, sets[name], labels, split) for split in splits]
        mean = corrected_mean(scores, folds=folds)
        # Of as many intervals as are compared with the majority, one lies above it by chance.
        strict = corrected_mean(scores, folds=folds, confidence=1 - _LEVEL / len(tried))
        found.append(
            Shortcut(
                features=name,
                model=model,
                score=mean.value,
                low=mean.low,
                high=mean.high,
                majority=majority,
                ahead=(strict.value if strict.low is None else strict.low) > majority,
            )
        )
    return tuple(found)


def _score(name: str, features: Features, labels: NDArray[np.int64], split: Split) -> float:
    train = np.concatenate([split.train, split.val])
    model = _model(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that has not converged is a fit
        model.fit(features[train], labels[train])
    predictions = log_predictions(model, features[split.test], int(labels.max()) + 1)
    return _METRIC.function(labels[split.test], predictions)


def _model(name: str) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if name == "logistic":
        model = LogisticRegression(class_weight="balanced", max_iter=300)
        return make_pipeline(StandardScaler(), model)
    return HistGradientBoostingClassifier(
        **_TREES, class_weight="balanced", early_stopping=False, random_state=_SEED
    )


def _majority(labels: NDArray[np.int64], splits: Sequence[Split]) -> float:
    """Mean balanced accuracy of the commonest class of the training parts."""
    scores = []
    for split in splits:
        counts = np.bincount(labels[split.train], minlength=int(labels.max()) + 1)
        guess = log_of(np.tile(counts / counts.sum(), (len(split.test), 1)))
        scores.append(_METRIC.function(labels[split.test], guess))
    return float(np.mean(scores))
