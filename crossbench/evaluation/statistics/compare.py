"""The comparison of two methods, from a table of runs to sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import RequestError, StatisticsError, unknown_name
from crossbench.evaluation.metrics import METRICS
from crossbench.evaluation.statistics.families import holm
from crossbench.evaluation.statistics.inputs import (
    lacking_runs,
    paired_gains,
    paired_runs,
    require_level,
    require_one_board,
    require_tasks,
    require_whole,
)
from crossbench.evaluation.statistics.paired import corrected_t, correlated_posterior
from crossbench.evaluation.statistics.pairs import (
    hodges_lehmann,
    probability_of_improvement,
    signed_rank,
)
from crossbench.evaluation.statistics.verdicts import (
    Comparison,
    NoClaim,
    NoVerdict,
    TasksVerdict,
    TaskVerdict,
)

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.evaluation.statistics.paired import CorrectedT, Posterior
    from crossbench.evaluation.statistics.verdicts import Verdict


def compare_runs(
    frame: pd.DataFrame,
    *,
    baseline: str,
    candidate: str,
    metric: str,
    folds: int | None = None,
    rope: float | None = None,
    alpha: float = 0.05,
) -> Comparison:
    """Compare two methods on every task that either was run on, and over tasks.

    A task on which the runs are unpaired, incomplete, not finite or fewer than two is not
    comparable and takes no part in the verdict over tasks, which names its coverage. Holm's
    family is the tasks that are tested. What is found of runs that share weights is said of
    those weights, and where all share one draw nothing is claimed of the methods.

    Example:
        >>> import pandas as pd
        >>> runs = {"task": "t", "method": ["a", "b"] * 2, "seed": 0, "fold": [0, 0, 1, 1]}
        >>> frame = pd.DataFrame(runs | {"score": [0.6, 0.7, 0.5, 0.8]})
        >>> found = compare_runs(frame, baseline="a", candidate="b", metric="accuracy", folds=2)
        >>> [(verdict.task, verdict.verdict) for verdict in found.tasks]
        [('t', 'undecided')]

    Args:
        frame: Runs of one board, as from
            :func:`~crossbench.results.records.loading.load_results` returns
            them: the columns task, method, seed, fold and score (NaN or None for a failed
            run); a column of the metric's name takes precedence over score. Source,
            dimension and preset, where present, must each hold one value, and paired runs
            must agree in hash_data and hash_split. Where there is a column weights, it says
            which weights a run began from, by any names; missing for what has none. Further
            columns are ignored.
        baseline: The method compared with.
        candidate: The method in question.
        metric: What is compared, a name of ``crossbench.evaluation.metrics``.
        folds: Folds of one repetition; the folds found on each task where None, which is
            conservative where only some of them were run.
        rope: Half-width of the region of practical equivalence; the metric's own where None.
        alpha: Level of the tests.

    Raises:
        RequestError: A method or the metric is unknown, or both methods are the same.
        StatisticsError: The table lacks columns or mixes boards; ``folds`` is no whole number
            or less than the folds found; ``rope`` is negative; or ``alpha`` is not in (0, 1).
    """
    require_level(alpha, "alpha")
    if metric in frame.columns:
        frame = frame.assign(score=frame[metric])
    require_one_board(frame)
    _require_request(frame, baseline, candidate, metric)
    if folds is not None:
        require_whole(folds, "folds")
    measured = METRICS[metric]
    methods = baseline, candidate
    runs, refused = _comparable_runs(frame, methods)
    if not measured.higher_is_better:
        runs = {task: -table for task, table in runs.items()}
    draws = {task: _draws(frame[frame["task"] == task], methods) for task in runs}
    rope = measured.rope if rope is None else rope
    verdicts, untestable = _task_verdicts(runs, draws, folds=folds, rope=rope, alpha=alpha)
    every: list[TaskVerdict | NoVerdict] = [*verdicts, *untestable, *refused]
    over = _draws(frame[frame["task"].isin(list(runs))], methods, by="task")
    return Comparison(
        baseline=baseline,
        candidate=candidate,
        metric=metric,
        higher_is_better=measured.higher_is_better,
        alpha=alpha,
        rope=rope,
        tasks=tuple(sorted(every, key=lambda verdict: verdict.task)),
        overall=_overall(list(runs.values()), over, total=len(every), alpha=alpha),
    )


def _require_request(frame: pd.DataFrame, baseline: str, candidate: str, metric: str) -> None:
    if metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    known = {str(name) for name in frame["method"].unique()}
    for method in (baseline, candidate):
        if method not in known:
            raise unknown_name("method", method, known)
    if baseline == candidate:
        raise RequestError(f"baseline and candidate are both {baseline!r}; name two methods")


def _comparable_runs(
    frame: pd.DataFrame, methods: tuple[str, str]
) -> tuple[dict[str, pd.DataFrame], list[NoVerdict]]:
    """Paired runs by task, and the tasks that have none."""
    runs, refused = {}, []
    for task in frame.loc[frame["method"].isin(methods), "task"].unique():
        try:
            runs[str(task)] = paired_runs(frame, task, methods)
        except StatisticsError as error:
            refused.append(NoVerdict(task=task, verdict="not comparable", reason=str(error)))
    return runs, refused


def _draws(frame: pd.DataFrame, methods: tuple[str, str], by: str | None = None) -> dict[str, int]:
    """Number of initial weights by method, for methods whose runs share some.

    Where ``by`` names a column, runs that agree in it count as one, and may share weights.
    """
    if "weights" not in frame.columns:
        return {}
    draws = {}
    for method in methods:
        own = frame[(frame["method"] == method) & frame["weights"].notna()]
        count = own["weights"].nunique()
        if 0 < count < (len(own) if by is None else own[by].nunique()):
            draws[method] = count
    return draws


def _task_verdicts(
    runs: dict[str, pd.DataFrame],
    draws: dict[str, dict[str, int]],
    *,
    folds: int | None,
    rope: float,
    alpha: float,
) -> tuple[list[TaskVerdict], list[NoVerdict]]:
    tests, untestable = {}, []
    for task, table in runs.items():
        baseline, candidate = table.to_numpy().T
        count = _folds(task, table, folds)
        try:
            test = corrected_t(baseline, candidate, folds=count, confidence=1 - alpha)
        except StatisticsError as error:
            untestable.append(NoVerdict(task=task, verdict="not testable", reason=str(error)))
        else:
            tests[task] = test, correlated_posterior(baseline, candidate, folds=count, rope=rope)
    adjusted = holm({task: test.p_value for task, (test, _) in tests.items()}) if tests else {}
    verdicts = [
        TaskVerdict(
            task=task,
            found=_task_verdict(test, posterior, adjusted[task], alpha),
            test=test,
            posterior=posterior,
            p_holm=adjusted[task],
            family=len(tests),
            detectable=test.detectable(family=len(tests), alpha=alpha),
            lacking=lacking_runs(runs[task], test.folds),
            draws=draws[task],
        )
        for task, (test, posterior) in tests.items()
    ]
    return verdicts, untestable


def _folds(task: str, table: pd.DataFrame, folds: int | None) -> int:
    found = table.index.unique("fold").size
    if folds is not None and folds < found:
        raise StatisticsError(f"{task} was run on {found} folds, not {folds}; give at least those")
    return found if folds is None else folds


def _task_verdict(test: CorrectedT, posterior: Posterior, p_holm: float, alpha: float) -> Verdict:
    if posterior.equivalent >= 1 - alpha:
        return "equivalent"
    return _direction(test.gain.value, p_holm, alpha)


def _overall(
    runs: list[pd.DataFrame], draws: dict[str, int], *, total: int, alpha: float
) -> TasksVerdict | NoClaim:
    try:
        require_tasks(len(runs))
    except StatisticsError as error:
        return NoClaim(reason=str(error))
    scores = [table.to_numpy().T for table in runs]
    baseline, candidate = np.array([each.mean(axis=1) for each in scores]).T
    gains = paired_gains(baseline, candidate)
    test = signed_rank(baseline, candidate)
    return TasksVerdict(
        found=_direction(test.effect_size, test.p_value, alpha),
        compared=len(runs),
        total=total,
        test=test,
        gain=hodges_lehmann(gains, confidence=1 - alpha),
        wins=int(np.sum(gains > 0)),
        losses=int(np.sum(gains < 0)),
        improvement=probability_of_improvement(
            [each[0] for each in scores],
            [each[1] for each in scores],
            confidence=1 - alpha,
        ),
        draws=draws,
    )


def _direction(gain: float, p_value: float, alpha: float) -> Verdict:
    if p_value > alpha:
        return "undecided"
    return "better" if gain > 0 else "worse"
