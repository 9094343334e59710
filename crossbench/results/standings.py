"""Who stands where on a board, over its tasks and on each: numbers with what they rest on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import pandas as pd

from crossbench.errors import StatisticsError
from crossbench.evaluation.metrics import METRICS
from crossbench.evaluation.statistics import (
    MIN_TASKS,
    corrected_mean,
    corrected_t,
    estimate,
    holm,
    pairwise,
    summarise,
)

if TYPE_CHECKING:
    import numpy as np

    from crossbench.evaluation.statistics import Estimate, PairTest
    from crossbench.results.boards import Board

ALPHA = 0.05
"""Level of the tests; intervals have 95 %."""


# ---------------------------------------------------------------------- over tasks


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One row of a board over its tasks.

    Attributes:
        name: Name of the row: a method or a plain baseline.
        plain: Whether it is a plain baseline, which is never ranked.
        mean: Mean main metric over the tasks of which the row has every run; its interval
            resamples those tasks, from six on. None where there is no such task.
        rank: Mean over tasks of the rank among the methods that have every run of every
            task, 1 is best; its interval resamples tasks, from six on. None for all others,
            and where fewer than two methods can be ranked.
        tasks: Tasks of which the row has every run.
        total: Tasks of the board.
        ties_first: Whether the row is not shown to differ from the first (Wilcoxon signed
            rank over tasks, Holm over all pairs of ranked methods, 5 %); None where it is
            not ranked or there is no claim over tasks.
        note: What a reader must know of the row, or empty.
    """

    name: str
    plain: bool
    mean: Estimate | None
    rank: Estimate | None
    tasks: int
    total: int
    ties_first: bool | None
    note: str = ""


def standings(board: Board, *, rng: np.random.Generator) -> list[Standing]:
    """The methods of a board, best mean rank first, then those not ranked, then the baselines.

    Equal mean ranks are ordered by the mean, then by name. For another metric than the
    board's own, pass ``dataclasses.replace(board, metric=...)``.

    Args:
        board: Runs that may be compared.
        rng: Source of the intervals' resamples.
    """
    higher = higher_is_better(board.metric)
    scores = complete_means(board, board.metric)
    complete = [name for name in board.methods if scores[name].notna().all()]
    ranks = _mean_ranks(scores[complete], rng, higher=higher)
    rows = [
        Standing(
            name=name,
            plain=name in board.plain,
            mean=_mean(scores[name].dropna(), rng),
            rank=ranks.get(name),
            tasks=int(scores[name].count()),
            total=len(scores),
            ties_first=None,
        )
        for name in scores.columns
    ]
    methods = sorted((row for row in rows if not row.plain), key=lambda row: _place(row, higher))
    tests = _tests_against_first(scores, [row.name for row in methods if row.rank], higher=higher)
    return [_judged(row, methods[0], tests) for row in methods] + [row for row in rows if row.plain]


def complete_means(board: Board, metric: str) -> pd.DataFrame:
    """Mean of a metric by task (row), and method or plain baseline (column).

    Of several versions of one task, the latest counts alone. NaN where a run of the board's seeds
    and folds failed, is missing, or has no such value.
    """
    scores = board.scores(metric)
    return pd.DataFrame({task: scores[task].mean(skipna=False) for task in board.counted}).T


def higher_is_better(metric: str) -> bool:
    """Direction of a metric; one that this crossbench does not know is taken to be a gain."""
    return metric not in METRICS or METRICS[metric].higher_is_better


def _mean(values: pd.Series[float], rng: np.random.Generator) -> Estimate | None:
    return estimate(values, rng=rng) if len(values) else None


def _mean_ranks(
    scores: pd.DataFrame, rng: np.random.Generator, *, higher: bool
) -> dict[str, Estimate]:
    if scores.shape[1] < 2:
        return {}
    rows = summarise(scores, rng=rng, higher_is_better=higher)
    return {row.method: row.mean_rank for row in rows}


def _place(row: Standing, higher: bool) -> tuple[float, float, str]:
    """Sort key: by mean rank, then by mean, then by name; what has neither comes last."""
    worst = float("inf")
    mean = worst if row.mean is None else -row.mean.value if higher else row.mean.value
    return (worst, 0.0, row.name) if row.rank is None else (row.rank.value, mean, row.name)


def _tests_against_first(
    scores: pd.DataFrame, ranked: list[str], *, higher: bool
) -> dict[str, PairTest]:
    """The first's tests against each other ranked method, by its name; or none.

    The family is all pairs, not those with the first alone, for the first is chosen by the
    scores that are tested.
    """
    if len(scores) < MIN_TASKS or len(ranked) < 2:
        return {}
    tests = pairwise(scores[ranked], higher_is_better=higher)
    return {test.candidate: test for test in tests if test.baseline == ranked[0]}


def _judged(row: Standing, first: Standing, tests: dict[str, PairTest]) -> Standing:
    """A method's standing with its tie and its note."""
    if row.rank is None:
        return replace(row, note="" if row.tasks == row.total else "not ranked: runs are missing")
    if not tests:
        return replace(row, note="no claim over tasks")
    if row.name == first.name:
        return replace(row, ties_first=True)
    test = tests[row.name]
    tied = test.p_holm > ALPHA
    words = "not shown to differ" if tied else "differs"
    family = f"{test.family} pair{'s' * (test.family > 1)}"
    note = f"{words} from {first.name} (p = {test.p_holm:.2g} after Holm over {family})"
    return replace(row, ties_first=tied, note=note)


# ---------------------------------------------------------------------- on one task


@dataclass(frozen=True, kw_only=True)
class Ties:
    """Which methods are not shown to differ from the best of a task.

    Attributes:
        names: Those methods, the best included; none where fewer than two have every run.
        family: Pairs of methods that could be tested.
    """

    names: frozenset[str]
    family: int


def ties_with_best(board: Board, task: str, metric: str) -> Ties:
    """The methods not shown to differ from the best one of a task.

    Every pair of the methods that have every run is tested by the corrected resampled t
    test at 5 %, Holm over all pairs, for the best is chosen by the scores that are tested.
    A pair that carries no test, such as two methods on a single fold, is not shown to differ.
    """
    means = board.scores(metric)[task][board.methods].mean(skipna=False).dropna()
    if len(means) < 2:
        return Ties(names=frozenset(), family=0)
    best = means.idxmax() if higher_is_better(metric) else means.idxmin()
    adjusted = _pair_tests(board, task, metric, list(means.index))
    worse = {name for pair, p in adjusted.items() if best in pair and p <= ALPHA for name in pair}
    return Ties(names=frozenset({best, *means.index} - (worse - {best})), family=len(adjusted))


def means_over_runs(board: Board, task: str, metric: str) -> dict[str, Estimate]:
    """Mean of a metric over each row's runs of a task, the interval corrected for their overlap.

    The interval ends where the metric does. Those rows are left out that lack a run or such a
    value; and all of them, where one fold or one run carries no interval.
    """
    scores = board.scores(metric)[task].dropna(axis="columns")
    means = {}
    for name, runs in zip(scores.columns, scores.to_numpy().T, strict=True):
        with suppress(StatisticsError):
            mean = corrected_mean(runs, folds=board.split_folds)
            means[name] = _within(mean, METRICS[metric].highest) if metric in METRICS else mean
    return means


def _within(mean: Estimate, highest: float) -> Estimate:
    if mean.low is None or mean.high is None:
        return mean
    return replace(mean, low=max(mean.low, 0.0), high=min(mean.high, highest))


def _pair_tests(
    board: Board, task: str, metric: str, methods: list[str]
) -> dict[tuple[str, str], float]:
    """Holm's p by pair of methods, over those that can be tested."""
    if not board.is_paired(task, methods):
        return {}
    runs = board.scores(metric)[task]
    scores = {name: runs[name].to_numpy() for name in methods}
    tests = {}
    for first, second in combinations(methods, 2):
        with suppress(StatisticsError):  # such as a single run
            test = corrected_t(scores[first], scores[second], folds=board.split_folds)
            tests[first, second] = test.p_value
    return holm(tests) if tests else {}
