"""All methods of a board: ranks, Friedman, Nemenyi and pairwise tests over tasks.

Scores come as a table with a row a task and a column a method, one value each.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy  # scipy.stats is imported where it is used, for it takes a second

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics.aggregate import (
    Estimate,
    bounded_mean,
    estimate,
    interquartile_mean,
)
from crossbench.evaluation.statistics.families import groups_of, holm
from crossbench.evaluation.statistics.inputs import finite, require_level, require_tasks
from crossbench.evaluation.statistics.pairs import SignedRank, signed_rank

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.evaluation.statistics.inputs import Array


@dataclass(frozen=True, kw_only=True)
class MethodSummary:
    """One method over all tasks of a board; intervals from six tasks on.

    Attributes:
        method: Name.
        tasks: Tasks N.
        mean: Mean score; its interval resamples tasks.
        interquartile_mean: Mean of the middle half of the task scores; likewise.
        mean_rank: Mean over tasks of the rank among the methods of the table; 1 is best,
            ties share their mean rank. Its interval is that of a mean with bounds.
    """

    method: str
    tasks: int
    mean: Estimate
    interquartile_mean: Estimate
    mean_rank: Estimate


@dataclass(frozen=True, kw_only=True)
class Friedman:
    """Friedman's test of whether tasks agree on some order of the methods.

    Attributes:
        tasks: Tasks N.
        mean_ranks: Mean rank by method, best first.
        statistic: Friedman's chi-square, ties corrected.
        p_value: From the chi-square distribution with k - 1 degrees of freedom.
        alpha: Level of the critical difference.
        critical_difference: Nemenyi's, a scale for mean ranks.
    """

    tasks: int
    mean_ranks: dict[str, float]
    statistic: float
    p_value: float
    alpha: float
    critical_difference: float

    @property
    def smallest_p(self) -> float:
        """Smallest p that N tasks can reach: all of them order the methods alike."""
        df = len(self.mean_ranks) - 1
        return float(scipy.special.chdtrc(df, self.tasks * df))

    @property
    def effect_size(self) -> float:
        """Kendall's W in [0, 1]: agreement of the tasks on the order of the methods."""
        return self.statistic / (self.tasks * (len(self.mean_ranks) - 1))

    def sentence(self) -> str:
        """The result in words to quote."""
        ranks = ", ".join(f"{method} {rank:.2f}" for method, rank in self.mean_ranks.items())
        return (
            f"N = {self.tasks} tasks, {len(self.mean_ranks)} methods: Friedman p = "
            f"{self.p_value:.2g} (smallest attainable {self.smallest_p:.2g}), Kendall's W "
            f"{self.effect_size:.2f}; mean ranks: {ranks}; Nemenyi's critical difference "
            f"{self.critical_difference:.2f} ({self.alpha * 100:g} %), a scale that parts no "
            "methods here."
        )


@dataclass(frozen=True, kw_only=True)
class PairTest:
    """One pair of a family of signed-rank tests.

    Attributes:
        baseline: First method.
        candidate: Second method; a positive effect size favours it.
        test: The unadjusted test.
        p_holm: Adjusted over the family.
        smallest_holm: Smallest adjusted p that the family's non-zero differences could have
            reached.
        family: Tests in the family.
    """

    baseline: str
    candidate: str
    test: SignedRank
    p_holm: float
    smallest_holm: float
    family: int

    def sentence(self) -> str:
        """The result in words to quote."""
        return (
            f"{self.candidate} against {self.baseline} over N = {self.test.tasks} tasks: "
            f"rank-biserial correlation {self.test.effect_size:+.2f}, Wilcoxon signed-rank "
            f"p = {self.test.p_value:.2g} (smallest attainable {self.test.smallest_p:.2g}), "
            f"{self.p_holm:.2g} after Holm over {self.family} pairs (smallest attainable "
            f"{self.smallest_holm:.2g})."
        )


def summarise(
    scores: pd.DataFrame,
    *,
    rng: np.random.Generator,
    higher_is_better: bool = True,
    confidence: float = 0.95,
) -> tuple[MethodSummary, ...]:
    """Mean, interquartile mean and mean rank of every method, best mean rank first.

    Example:
        >>> scores = pd.DataFrame({"a": [0.6, 0.7], "b": [0.7, 0.8]}, index=["x", "y"])
        >>> rows = summarise(scores, rng=np.random.default_rng(0))
        >>> [(row.method, row.mean_rank.value) for row in rows]
        [('b', 1.0), ('a', 2.0)]

    Args:
        scores: A row a task, a column a method.
        rng: Source of the resamples.
        higher_is_better: Direction of the metric.
        confidence: Level of the intervals.

    Raises:
        StatisticsError: A cell is missing or not finite, a name occurs twice, or there is
            only one method.
    """
    values = _complete(scores)
    ranks = _ranks(values, higher_is_better)
    rows = [
        MethodSummary(
            method=str(method),
            tasks=len(values),
            mean=estimate(values[:, column], rng=rng, confidence=confidence),
            interquartile_mean=estimate(
                values[:, column], interquartile_mean, rng=rng, confidence=confidence
            ),
            mean_rank=bounded_mean(
                ranks[:, column], lowest=1, highest=ranks.shape[1], confidence=confidence
            ),
        )
        for column, method in enumerate(scores.columns)
    ]
    return tuple(sorted(rows, key=lambda row: row.mean_rank.value))


def friedman(
    scores: pd.DataFrame, *, alpha: float = 0.05, higher_is_better: bool = True
) -> Friedman:
    """Friedman test over at least three methods, with Nemenyi's critical difference.

    Which of two methods differ is for :func:`pairwise` to say: Nemenyi's answer for two depends
    on which others are on the board (Benavoli, Corani and Mangili, JMLR 17, 2016).

    Example:
        >>> scores = pd.DataFrame({"a": [1] * 6, "b": [2] * 6, "c": [3] * 6})
        >>> friedman(scores).mean_ranks
        {'c': 1.0, 'b': 2.0, 'a': 3.0}

    Args:
        scores: A row a task, a column a method.
        alpha: Level of the critical difference.
        higher_is_better: Direction of the metric.

    Raises:
        StatisticsError: See :func:`summarise`; or there are fewer than six tasks or fewer
            than three methods.

    Source:
        Friedman, JASA 32 (1937); Demšar, JMLR 7 (2006), section 3.2.
    """
    require_level(alpha, "alpha")
    values = _complete(scores)
    tasks, methods = values.shape
    require_tasks(tasks)
    if methods < 3:
        raise StatisticsError(
            f"{methods} methods: Friedman's test needs three; use the signed-rank test"
        )
    ranks = _ranks(values, higher_is_better)
    statistic, p_value = _friedman(ranks)
    names = [str(name) for name in scores.columns]
    mean_ranks = dict(sorted(zip(names, ranks.mean(axis=0).tolist(), strict=True), key=_second))
    return Friedman(
        tasks=tasks,
        mean_ranks=mean_ranks,
        statistic=statistic,
        p_value=p_value,
        alpha=alpha,
        critical_difference=critical_difference(methods, tasks, alpha),
    )


def critical_difference(methods: int, tasks: int, alpha: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks, q sqrt(k (k + 1) / (12 N)).

    Example:
        >>> round(critical_difference(methods=4, tasks=8), 2)
        1.66

    Args:
        methods: Methods k.
        tasks: Tasks N.
        alpha: Level over all pairs; q is the studentized range's quantile at 1 - alpha.

    Source:
        Nemenyi (1963), as given by Demšar, JMLR 7 (2006), section 3.2.2.
    """
    quantile = scipy.stats.studentized_range.ppf(1 - alpha, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * tasks)))


def pairwise(
    scores: pd.DataFrame,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    higher_is_better: bool = True,
) -> tuple[PairTest, ...]:
    """Signed-rank tests of (baseline, candidate) pairs, with Holm over all of them.

    Example:
        >>> scores = pd.DataFrame({"a": [1, 2, 3, 4, 5, 6], "b": [2, 3, 4, 5, 6, 7]})
        >>> [(test.baseline, test.candidate, test.p_holm) for test in pairwise(scores)]
        [('a', 'b', 0.03125)]

    Args:
        scores: A row a task, a column a method.
        pairs: The family; every pair of columns where None.
        higher_is_better: Direction of the metric.

    Raises:
        StatisticsError: See :func:`summarise`; or there are fewer than six tasks.
    """
    values = _complete(scores) if higher_is_better else -_complete(scores)
    column = dict(zip(map(str, scores.columns), values.T, strict=True))
    family = list(combinations(column, 2)) if pairs is None else list(pairs)
    tests = {pair: signed_rank(column[pair[0]], column[pair[1]]) for pair in family}
    adjusted = holm({pair: test.p_value for pair, test in tests.items()})
    smallest = holm({pair: test.smallest_p for pair, test in tests.items()})
    return tuple(
        PairTest(
            baseline=pair[0],
            candidate=pair[1],
            test=test,
            p_holm=adjusted[pair],
            smallest_holm=smallest[pair],
            family=len(tests),
        )
        for pair, test in tests.items()
    )


def tied_groups(
    scores: pd.DataFrame, *, alpha: float = 0.05, higher_is_better: bool = True
) -> tuple[tuple[str, ...], ...]:
    """Sets of methods that :func:`pairwise` does not tell apart, best rank first.

    Example:
        >>> tied_groups(pd.DataFrame({"a": [1, 2, 3, 4, 5, 6], "b": [2, 1, 4, 3, 6, 5]}))
        (('a', 'b'),)

    Args:
        scores: A row a task, a column a method.
        alpha: Level of the family of all pairs.
        higher_is_better: Direction of the metric.

    Returns:
        Every largest set of two or more methods of which no pair is shown to differ.

    Raises:
        StatisticsError: See :func:`pairwise`.
    """
    tests = pairwise(scores, higher_is_better=higher_is_better)
    apart = {frozenset({each.baseline, each.candidate}) for each in tests if each.p_holm <= alpha}
    ranks = _ranks(_complete(scores), higher_is_better).mean(axis=0)
    names = [str(scores.columns[place]) for place in np.argsort(ranks, kind="stable")]
    return groups_of(names, apart)


def _complete(scores: pd.DataFrame) -> Array:
    """The table as an array (tasks, methods), once nothing is missing or doubled."""
    for axis, labels in (("task", scores.index), ("method", scores.columns)):
        if not labels.is_unique:
            twice = labels[labels.duplicated()][0]
            raise StatisticsError(f"{axis} {twice!r} occurs twice in the table of scores")
    if scores.shape[1] < 2:
        raise StatisticsError(f"{scores.shape[1]} method in the table of scores; ranks need two")
    values = scores.to_numpy(dtype=np.float64)
    missing = np.argwhere(~np.isfinite(values))
    if len(missing):
        task, method = missing[0]
        raise StatisticsError(
            f"{len(missing)} of {values.size} scores are missing, the first of them "
            f"{scores.columns[method]} on {scores.index[task]}; leave out the task or the method"
        )
    return finite(values, "the table of scores")


def _ranks(values: Array, higher_is_better: bool) -> Array:
    """Ranks (tasks, methods) within each task, 1 is best, ties share their mean rank."""
    return pd.DataFrame(values).rank(axis=1, ascending=not higher_is_better).to_numpy()


def _friedman(ranks: Array) -> tuple[float, float]:
    if np.ptp(ranks, axis=1).max() == 0:  # all methods tie on all tasks
        return 0.0, 1.0
    result = scipy.stats.friedmanchisquare(*ranks.T)
    return float(result.statistic), float(result.pvalue)


def _second(pair: tuple[str, float]) -> float:
    return pair[1]
