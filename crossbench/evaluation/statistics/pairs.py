"""Two methods over many tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics.aggregate import Estimate, estimate
from crossbench.evaluation.statistics.inputs import (
    finite,
    paired_gains,
    require_tasks,
    smallest_p,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from crossbench.evaluation.statistics.inputs import Array

Name = TypeVar("Name")


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
    null = np.zeros(steps.sum() + 1)
    null[0] = 1
    for step in steps:  # each rank counts or not, with probability 1/2
        null[step:] += null[:-step]
        null /= 2
    seen = steps[positive].sum()
    return min(1.0, 2 * float(min(null[: seen + 1].sum(), null[seen:].sum())))


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Holm's step-down adjustment; the mapping is the declared family.

    Args:
        p_values: Unadjusted p by name of the hypothesis.

    Returns:
        Adjusted p by name; a hypothesis is rejected at level a where its value is <= a.

    Raises:
        StatisticsError: The family is empty, or a p is not in [0, 1].

    Source:
        Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    family = finite(list(p_values.values()), "the family of p values")
    if family.min() < 0 or family.max() > 1:
        raise StatisticsError(f"p values lie in [{family.min():g}, {family.max():g}], not [0, 1]")
    names = sorted(p_values, key=p_values.__getitem__)
    steps = [p_values[name] * (len(names) - rank) for rank, name in enumerate(names)]
    adjusted = dict(zip(names, np.minimum(np.maximum.accumulate(steps), 1).tolist(), strict=True))
    return {name: adjusted[name] for name in p_values}


def probability_of_improvement(
    baseline: Sequence[ArrayLike],
    candidate: Sequence[ArrayLike],
    *,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Estimate:
    """P(a run of the candidate beats a run of the baseline), on a task drawn at random.

    The mean over tasks of the share of (candidate run, baseline run) pairs that the
    candidate wins, a tie counting half; the interval resamples tasks.

    Args:
        baseline: Scores of the runs, one array a task; larger is better.
        candidate: The same for the candidate, tasks in the same order.
        rng: Source of the resamples.
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
    return estimate(wins, rng=rng, confidence=confidence)


def _win_share(baseline: ArrayLike, candidate: ArrayLike) -> float:
    first, second = finite(baseline, "baseline scores"), finite(candidate, "candidate scores")
    return float((1 + np.sign(np.subtract.outer(second, first)).mean()) / 2)
