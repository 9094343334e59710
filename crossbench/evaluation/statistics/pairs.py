"""Two methods over many tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics.aggregate import Estimate, bounded_mean
from crossbench.evaluation.statistics.inputs import (
    finite,
    paired_gains,
    require_level,
    require_tasks,
    smallest_p,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from crossbench.evaluation.statistics.inputs import Array


@dataclass(frozen=True, kw_only=True)
class SignedRank:
    """A two-sided Wilcoxon signed-rank test over tasks.

    Attributes:
        tasks: Tasks N.
        zeros: Tasks on which the methods tie; they are left out of the ranks.
        p_value: Two-sided and exact.
        effect_size: Matched-pairs rank-biserial correlation in [-1, 1]; positive favours
            the candidate.
    """

    tasks: int
    zeros: int
    p_value: float
    effect_size: float

    @property
    def smallest_p(self) -> float:
        """Smallest p that the non-zero differences could have reached."""
        return smallest_p(self.tasks - self.zeros)


def signed_rank(baseline: ArrayLike, candidate: ArrayLike) -> SignedRank:
    """Wilcoxon signed-rank test of one score a task (N,) for two methods.

    Zero differences are left out; where all are zero, p is 1. Equal absolute differences
    share their mean rank, and p is exact with or without them.

    Example:
        >>> signed_rank([0.6, 0.7, 0.5, 0.8, 0.6, 0.7], [0.7, 0.9, 0.8, 0.9, 0.8, 0.8]).p_value
        0.03125

    Raises:
        StatisticsError: The scores are not paired and finite, or N < 6.

    Source:
        Wilcoxon, Biometrics Bulletin 1 (1945); Demšar, JMLR 7 (2006), section 3.1.3; effect
        size: Kerby, Comprehensive Psychology 3 (2014).
    """
    gains = paired_gains(baseline, candidate)
    require_tasks(gains.size)
    moved = gains[gains != 0]
    ranks = np.asarray(pd.Series(np.abs(moved)).rank(), dtype=np.float64)
    effect_size = float(np.sum(np.sign(moved) * ranks) / ranks.sum()) if moved.size else 0.0
    return SignedRank(
        tasks=gains.size,
        zeros=gains.size - moved.size,
        p_value=_signed_rank_p(ranks, moved > 0),
        effect_size=effect_size,
    )


def _signed_rank_p(ranks: Array, positive: NDArray[np.bool_]) -> float:
    """Two-sided p of the positive rank sum, from its exact distribution.

    scipy's exact method knows no ties, and its enumeration of tied ranks takes seconds.
    """
    steps = np.rint(2 * ranks).astype(np.int64)  # shared ranks are multiples of 1/2
    null = _null_of_sums(steps)
    seen = steps[positive].sum()
    return min(1.0, 2 * float(min(null[: seen + 1].sum(), null[seen:].sum())))


def _null_of_sums(steps: NDArray[np.int64]) -> Array:
    """Distribution of the sum of steps that each count with probability 1/2."""
    null = np.zeros(steps.sum() + 1)
    null[0] = 1
    for step in steps:
        null[step:] += null[:-step]
        null /= 2
    return null


def hodges_lehmann(gains: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Hodges and Lehmann's location of the non-zero gains, with its exact interval.

    It is the median of the means of all pairs of gains, each with itself too: the shift that
    :func:`signed_rank` of the same gains would see as none, so that its sign is that of the test.
    Fewer than six gains have no interval, for the test cannot reject; nor have equal ones.

    Example:
        >>> f"{hodges_lehmann([0.01, 0.02, 0.03, 0.04, 0.05, 0.06]):+.3f}"
        '+0.035 (95 % interval +0.010 to +0.060)'

    Args:
        gains: One gain a task (N,).
        confidence: Level of the interval.

    Raises:
        StatisticsError: There is no gain, one is not finite, or ``confidence`` is not in (0, 1).

    Source:
        Hodges and Lehmann, Annals of Mathematical Statistics 34 (1963); interval: Hollander,
        Wolfe and Chicken, Nonparametric Statistical Methods (2014), section 3.3.
    """
    require_level(confidence, "confidence")
    moved = finite(gains, "gains of the tasks")
    moved = moved[moved != 0]
    if not moved.size:
        return Estimate(value=0.0, confidence=confidence)
    first, second = np.triu_indices(moved.size)
    means = np.sort((moved[first] + moved[second]) / 2)
    value = float(np.median(means))
    null = np.cumsum(_null_of_sums(np.arange(1, moved.size + 1)))
    outside = int(np.sum(null <= (1 - confidence) / 2))
    if outside == 0 or np.ptp(moved) == 0:
        return Estimate(value=value, confidence=confidence)
    low, high = float(means[outside - 1]), float(means[-outside])
    return Estimate(value=value, low=low, high=high, confidence=confidence)


def probability_of_improvement(
    baseline: Sequence[ArrayLike],
    candidate: Sequence[ArrayLike],
    *,
    confidence: float = 0.95,
) -> Estimate:
    """Probability that a run of the candidate beats one of the baseline.

    The mean over tasks of the share of (candidate run, baseline run) pairs that the
    candidate wins, a tie counting half; the interval is :func:`bounded_mean`'s.

    Example:
        >>> probability_of_improvement([[0.6, 0.7], [0.5]], [[0.7, 0.8], [0.4]]).value
        0.4375

    Args:
        baseline: Scores of the runs, one array a task; larger is better.
        candidate: The same for the candidate, tasks in the same order.
        confidence: Level of the interval.

    Raises:
        StatisticsError: The two do not list the same number of tasks, or a score is not finite.

    Source:
        Agarwal et al., NeurIPS 2021, section 4.3.
    """
    if len(baseline) != len(candidate):
        raise StatisticsError(
            f"{len(baseline)} tasks of the baseline and {len(candidate)} of the candidate "
            "are not paired; pass the same tasks in the same order"
        )
    wins = [_win_share(first, second) for first, second in zip(baseline, candidate, strict=True)]
    return bounded_mean(wins, lowest=0.0, highest=1.0, confidence=confidence)


def _win_share(baseline: ArrayLike, candidate: ArrayLike) -> float:
    first, second = finite(baseline, "baseline scores"), finite(candidate, "candidate scores")
    return float((1 + np.sign(np.subtract.outer(second, first)).mean()) / 2)
