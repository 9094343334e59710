"""Ranking scores, and the areas under ROC and precision-recall curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.evaluation.probabilities import Labels, LogProbabilities

# The logarithm of a probability this near to 1 is no normal float32 number.
_SATURATED = -float(np.finfo(np.float32).tiny)


def rank_scores(log_probabilities: LogProbabilities, label: int) -> NDArray[np.float64]:
    """(N,) scores in the order of the log odds of one class, saturated nowhere.

    With two classes they are the log odds, so that the other class has the same with the
    opposite sign. With more they are the log-probability, and beyond the precision of float32
    less the logarithm of what is left to the others: equal probabilities stay equal scores,
    which log odds would lose to rounding.
    """
    own = log_probabilities[:, label]
    if log_probabilities.shape[1] == 2:
        odds: NDArray[np.float64] = own - log_probabilities[:, 1 - label]
        return odds
    scores = own.copy()
    beyond = np.flatnonzero(own > _SATURATED)
    others = np.sort(np.delete(log_probabilities[beyond], label, axis=1), axis=1)
    scores[beyond] = -np.logaddexp.reduce(others, axis=1)
    return scores


def area_under_roc(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float:
    """The Mann-Whitney statistic, from mid-ranks, over the number of pairs."""
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    positives = int(positive.sum())
    wins = rank[positive].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * (len(positive) - positives)))


def average_precision(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> float | None:
    """Sum over distinct thresholds, highest first, of recall gained times precision."""
    if not positive.any():
        return None
    _, place, count = np.unique(-score, return_inverse=True, return_counts=True)
    gained = np.bincount(place, weights=positive)
    precision_at = np.cumsum(gained) / np.cumsum(count)
    return float(np.sum(gained * precision_at) / positive.sum())


def areas_against_each(
    labels: Labels, score: NDArray[np.float64], label: int
) -> NDArray[np.float64]:
    """Areas under the ROC curves of one class against each other class.

    Args:
        labels: (N,) in which no class of [0, K) is absent.
        score: (N,) that ranks the class first.
        label: The class.

    Returns:
        (K - 1,) areas in the order of the other classes; ties count one half.
    """
    own = np.sort(score[labels == label])
    below = np.searchsorted(own, score, "left") + np.searchsorted(own, score, "right")
    wins = np.bincount(labels, weights=len(own) - below / 2)
    pairs = np.bincount(labels) * len(own)
    areas: NDArray[np.float64] = np.delete(wins / pairs, label)
    return areas
