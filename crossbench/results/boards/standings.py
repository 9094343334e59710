"""Standings of a board: ranks and ties, with intervals and tests."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal, TypeAlias

import pandas as pd

from crossbench.errors import StatisticsError
from crossbench.evaluation.metrics import METRICS
from crossbench.evaluation.statistics import (
    MIN_TASKS,
    corrected_mean,
    corrected_t,
    estimate,
    pairwise,
    rejected,
    summarise,
)
from crossbench.results.boards.board import CHANCE
from crossbench.results.boards.draws import is_one_random_draw

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np

    from crossbench.evaluation.metrics import Metric
    from crossbench.evaluation.statistics import Estimate, PairTest
    from crossbench.results.boards.board import Board

_DRAW = ["weights", "random_weights"]

ALPHA = 0.05
"""Level of the tests; intervals have 95 %."""

Place: TypeAlias = Literal["ties", "behind", "ahead"]


# ---------------------------------------------------------------------- over tasks


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One row of a board over its tasks.

    Attributes:
        name: Name of the row: a method, a plain baseline, or chance.
        plain: Whether it is one of the latter two, which are never ranked.
        mean: Mean main metric over the tasks of which the row has every run; its interval
            resamples those tasks, from six on. None where there is no such task.
        rank: Mean over tasks of the rank among the methods that have every run of every
            task, 1 is best; its interval, from six tasks on, is that of a mean with bounds. None
            for all others, and where fewer than two methods can be ranked.
        tasks: Tasks of which the row has every run.
        total: Tasks of the board.
        beside_first: Whether the row ``ties`` with the first, for it is not shown to differ,
            or is shown to be ``behind`` it or ``ahead`` of it: a signed rank can favour another
            than the first in mean rank (Wilcoxon over tasks, Holm over all pairs of ranked
            methods, 5 %). None where it is not ranked, and where nothing could be shown.
        note: What a reader must know of the row, or empty.
    """

    name: str
    plain: bool
    mean: Estimate | None
    rank: Estimate | None
    tasks: int
    total: int
    beside_first: Place | None
    note: str = ""


def standings(board: Board, *, rng: np.random.Generator) -> list[Standing]:
    """Methods by mean rank, then unranked methods, then plain baselines, then chance.

    Equal mean ranks are ordered by the mean, then by name. For another metric than the
    board's own, pass ``dataclasses.replace(board, metric=...)``.
    """
    higher = higher_is_better(board.metric)
    scores = complete_means(board, board.metric)
    complete = [name for name in board.methods if scores[name].notna().all()]
    ranks = _mean_ranks(scores[complete], rng, higher=higher)
    rows = [
        Standing(
            name=name,
            plain=name in board.beside,
            mean=_mean(scores[name].dropna(), rng),
            rank=ranks.get(name),
            tasks=int(scores[name].count()),
            total=len(scores),
            beside_first=None,
        )
        for name in scores.columns
    ]
    methods = sorted((row for row in rows if not row.plain), key=lambda row: _place(row, higher))
    tests = _tests_against_first(scores, [row.name for row in methods if row.rank], higher=higher)
    return [_judged(row, methods[0], tests) for row in methods] + [row for row in rows if row.plain]


def complete_means(board: Board, metric: str) -> pd.DataFrame:
    """Mean of a metric by task (row), and method, plain baseline or chance (column).

    Of several versions of one task, the latest counts alone. NaN where a run of the board's seeds
    and folds failed, is missing, or has no such value.
    """
    scores = board.scores(metric)
    return pd.DataFrame({task: scores[task].mean(skipna=False) for task in board.counted}).T


def higher_is_better(metric: str) -> bool:
    """Direction of a metric; unknown metrics are taken to be gains."""
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
    """A method's standing with its place beside the first and its note."""
    if row.rank is None:
        return replace(row, note="" if row.tasks == row.total else "not ranked: runs are missing")
    if not tests:
        return replace(row, note="no claim over tasks")
    own = tests.values() if row.name == first.name else [tests[row.name]]
    smallest = min(test.smallest_holm for test in own)
    family = next(iter(tests.values())).family
    after = f"after Holm over {family} pair{'s' * (family > 1)}"
    if smallest > ALPHA:
        none = "no difference could be shown here"
        return replace(row, note=f"{none} (smallest attainable p = {smallest:.2g} {after})")
    if row.name == first.name:
        return replace(row, beside_first="ties")
    test = tests[row.name]
    place: Place = "ties"
    if test.p_holm <= ALPHA:
        place = "ahead" if test.test.effect_size > 0 else "behind"
    words = {
        "ties": "not shown to differ from",
        "behind": "worse than",
        "ahead": "behind in mean rank, yet by signed rank better than",
    }[place]
    note = f"{words} {first.name} (p = {test.p_holm:.2g} {after})"
    return replace(row, beside_first=place, note=note)


# ---------------------------------------------------------------------- on one task


def ties_with_best(board: Board, metric: str) -> dict[str, set[str]]:
    """The methods not shown to differ from the best one, by task.

    The best is among them; there are none where fewer than two methods have every run.

    Every pair of the methods that have every run of a task is tested by the corrected resampled
    t test at 5 %, Holm over all pairs of all tasks: the best is chosen by the scores that are
    tested, and a reader looks at every task. A pair that carries no test, such as two methods on
    a single fold or from one draw of random weights, is not shown to differ.
    """
    tests: dict[tuple[str, str, str], float] = {}
    means = {}
    for task in board.tasks:
        means[task] = board.scores(metric)[task][board.methods].mean(skipna=False).dropna()
        tests |= _pair_tests(board, task, metric, list(means[task].index))
    apart = rejected(tests, ALPHA)
    best_of = pd.Series.idxmax if higher_is_better(metric) else pd.Series.idxmin
    ties: dict[str, set[str]] = {task: set() for task in means}
    for task, values in means.items():
        if len(values) > 1:
            best = str(best_of(values))
            worse = {name for of, *pair in apart if of == task and best in pair for name in pair}
            ties[task] = {best, *values.index} - (worse - {best})
    return ties


def means_over_runs(board: Board, task: str, metric: str) -> dict[str, Estimate]:
    """Mean of a metric over each row's runs, its interval corrected for overlap.

    The interval ends where the metric does. Those rows are left out that lack a run or such a
    value; and all of them, where one fold or one run carries no interval.
    """
    scores = board.scores(metric)[task].drop(columns=CHANCE, errors="ignore")
    scores = scores.dropna(axis="columns")
    means = {}
    for name, runs in zip(scores.columns, scores.to_numpy().T, strict=True):
        with suppress(StatisticsError):
            mean = corrected_mean(runs, folds=board.split_folds)
            means[name] = _within(mean, METRICS[metric]) if metric in METRICS else mean
    return means


def means_of(board: Board, rows: Iterable[Standing]) -> dict[str, Estimate]:
    """Means of a board's rows: over its tasks, or over the runs of the only one."""
    if len(board.counted) == 1:
        return means_over_runs(board, board.counted[0], board.metric)
    return {row.name: row.mean for row in rows if row.mean}


def _within(mean: Estimate, metric: Metric) -> Estimate:
    if mean.low is None or mean.high is None:
        return mean
    return replace(mean, low=max(mean.low, metric.lowest), high=min(mean.high, metric.highest))


def _pair_tests(
    board: Board, task: str, metric: str, methods: list[str]
) -> dict[tuple[str, str, str], float]:
    """The p of each pair of methods that can be tested, by task and pair."""
    if len(methods) < 2 or not board.is_paired(task, methods):
        return {}
    runs = board.scores(metric)[task]
    scores = {name: runs[name].to_numpy() for name in methods if not one_draw(board, task, name)}
    tests = {}
    for first, second in combinations(scores, 2):
        with suppress(StatisticsError):  # such as a single run
            test = corrected_t(scores[first], scores[second], folds=board.split_folds)
            tests[task, first, second] = test.p_value
    return tests


def one_draw(board: Board, task: str, method: str) -> bool:
    """Whether all of a method's runs of a task share one draw of random weights."""
    own = (board.runs["column"] == task) & (board.runs["row"] == method)
    return is_one_random_draw(board.runs.loc[own, _DRAW])
