"""Checks of the input of every procedure."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from crossbench.errors import StatisticsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

Array: TypeAlias = NDArray[np.float64]

MIN_TASKS = 6
"""Fewer tasks cannot reach p <= 0.05 in a two-sided signed-rank test (2 / 2**5 = 0.0625)."""

RUN_COLUMNS = ("task", "method", "seed", "fold", "score")

# Where a table has these columns, a board holds one value of each,
_BOARD_COLUMNS = ("source", "dimension", "preset")
# and paired runs agree in these.
_SAMPLE_COLUMNS = ("hash_data", "hash_split")

# Scores are means of counts; below this, two of them differ by rounding alone.
_ROUNDING = 12


def finite(values: ArrayLike, what: str) -> Array:
    """A float64 copy of ``values``, rounded to 12 decimals so that equal scores tie.

    Args:
        values: Numbers of any shape.
        what: Name of the values, for the message.

    Raises:
        StatisticsError: There are none, or one is NaN or infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    broken = np.flatnonzero(~np.isfinite(array))
    if array.size == 0 or broken.size:
        found = (
            f"{broken.size} of {array.size} values that are not finite" if array.size else "none"
        )
        raise StatisticsError(f"{what}: found {found}; give every run a finite score")
    return np.round(array, _ROUNDING)


def paired_gains(baseline: ArrayLike, candidate: ArrayLike) -> Array:
    """Differences (n,) candidate - baseline of runs or tasks in the same order.

    Raises:
        StatisticsError: The two are not 1-d and of one length, hold fewer than two values,
            or a value is not finite.
    """
    first, second = finite(baseline, "baseline scores"), finite(candidate, "candidate scores")
    if first.ndim != 1 or first.shape != second.shape:
        raise StatisticsError(
            f"scores of shapes {first.shape} and {second.shape} are not paired; "
            "pass one score a run for both methods, in the same order"
        )
    if first.size < 2:
        raise StatisticsError("1 paired run; a comparison needs at least two")
    return np.round(second - first, _ROUNDING)


def require_tasks(count: int) -> None:
    """Refuse a claim that so few tasks cannot carry.

    Raises:
        StatisticsError: ``count`` is below :data:`MIN_TASKS`.
    """
    if count < MIN_TASKS:
        raise StatisticsError(
            f"no claim over tasks: N = {count} comparable tasks, {MIN_TASKS} are needed "
            f"(the smallest attainable two-sided p at N = {count} is {smallest_p(count):.2g})"
        )


def smallest_p(count: int) -> float:
    """Smallest two-sided p of ``count`` non-zero differences: 2 / 2**count.

    Example:
        >>> smallest_p(6)
        0.03125
    """
    return min(1.0, 2.0 ** (1 - count))


def require_level(level: float, what: str) -> None:
    """Refuse a level that is no probability.

    Raises:
        StatisticsError: ``level`` is not strictly between 0 and 1.
    """
    if not 0 < level < 1:
        raise StatisticsError(f"{what} is {level}; give a value between 0 and 1")


def require_whole(number: int, what: str) -> None:
    """Refuse a count that is no whole number.

    Raises:
        StatisticsError: ``number`` is not an integer, a bool included.
    """
    if not isinstance(number, Integral) or isinstance(number, bool):
        raise StatisticsError(f"{what} is {number!r}; give a whole number")


def require_one_board(frame: pd.DataFrame) -> None:
    """Refuse a table of runs that mixes boards or lacks columns.

    Raises:
        StatisticsError: A column of task, method, seed, fold, score is missing, or source,
            dimension or preset, where the table has it, holds more than one value.
    """
    missing = [name for name in RUN_COLUMNS if name not in frame.columns]
    if missing:
        raise StatisticsError(f"the table of runs lacks the columns {', '.join(missing)}")
    for name in _BOARD_COLUMNS:
        if name in frame.columns and frame[name].nunique(dropna=False) > 1:
            values = ", ".join(sorted(map(str, frame[name].unique())))
            raise StatisticsError(
                f"runs of different {name} ({values}) are never compared; select one"
            )


def paired_runs(frame: pd.DataFrame, task: str, methods: Sequence[str]) -> pd.DataFrame:
    """Scores of one task, paired: a row a run (seed, fold), a column a method.

    Example:
        >>> import pandas as pd
        >>> runs = {"task": "t", "method": ["a", "b"] * 2, "seed": 0, "fold": [0, 0, 1, 1]}
        >>> frame = pd.DataFrame(runs | {"score": [0.6, 0.7, 0.5, 0.8]})
        >>> paired_runs(frame, "t", ["a", "b"]).to_numpy().tolist()
        [[0.6, 0.7], [0.5, 0.8]]

    Args:
        frame: Runs, with the columns task, method, seed, fold and score (NaN or None for a
            failed run).
        task: Task to select.
        methods: Methods to select, in the order of the columns.

    A run that none of the methods has, failed or not, is no row: :func:`lacking_runs` counts them.

    Raises:
        StatisticsError: A run exists twice, a method lacks a score in a run that another has,
            there are fewer than two runs, or two runs of one seed and fold differ in hash_data
            or hash_split, where the table has them.
    """
    rows = frame[(frame["task"] == task) & frame["method"].isin(list(methods))]
    twice = rows[rows.duplicated(["method", "seed", "fold"])]
    if len(twice):
        run = twice.iloc[0]
        raise StatisticsError(
            f"{run['method']} has several scores on {task} for seed {run['seed']}, fold "
            f"{run['fold']}; select one preset, init, backbone and protocol"
        )
    table = rows.pivot(index=["seed", "fold"], columns="method", values="score")
    table = table.reindex(columns=list(methods)).astype(np.float64)
    lacking = table.columns[~np.isfinite(table.to_numpy()).all(axis=0)]
    if len(lacking):
        raise _lack_of_scores(table[lacking[0]], f"{lacking[0]} on {task}")
    _require_same_samples(rows, task)
    if len(table) < 2:
        raise StatisticsError(f"{len(table)} run on {task}; a comparison needs at least two")
    return table


def lacking_runs(table: pd.DataFrame, folds: int) -> int:
    """Number of runs of seeds x folds without a row in :func:`paired_runs`.

    Args:
        table: Paired runs.
        folds: Folds of one repetition.
    """
    return int(table.index.unique("seed").size * folds - len(table))


def task_scores(frame: pd.DataFrame, methods: Iterable[str]) -> pd.DataFrame:
    """Mean score by task (row) and method (column) over paired, complete runs.

    Example:
        >>> import pandas as pd
        >>> runs = {"task": "t", "method": ["a", "b"] * 2, "seed": 0, "fold": [0, 0, 1, 1]}
        >>> frame = pd.DataFrame(runs | {"score": [0.6, 0.7, 0.5, 0.8]})
        >>> task_scores(frame, ["a", "b"]).loc["t"].to_dict()
        {'a': 0.55, 'b': 0.75}

    Args:
        frame: Runs of one board, with the columns task, method, seed, fold and score.
        methods: Methods to select, in the order of the columns.

    Raises:
        StatisticsError: See :func:`paired_runs`; or the frame mixes boards.
    """
    require_one_board(frame)
    names = list(methods)
    tasks = sorted(frame["task"].unique())
    means = {task: paired_runs(frame, task, names).mean() for task in tasks}
    return type(frame)(means).T[names]


def _lack_of_scores(scores: pd.Series[float], what: str) -> StatisticsError:
    missing = scores.index[~np.isfinite(scores)]
    if len(missing) == len(scores):
        return StatisticsError(f"{what} has no score in any of {len(scores)} runs")
    seed, fold = missing[0]
    return StatisticsError(
        f"{what} has no score in {len(missing)} of {len(scores)} runs, the first of them "
        f"seed {seed}, fold {fold}"
    )


def _require_same_samples(rows: pd.DataFrame, task: str) -> None:
    for name in _SAMPLE_COLUMNS:
        if name not in rows.columns:
            continue
        values = rows.groupby(["seed", "fold"])[name].nunique()
        mixed = list(values.index[values > 1])
        if mixed:
            seed, fold = mixed[0]
            raise StatisticsError(
                f"runs on {task} with seed {seed}, fold {fold} differ in {name}: they were not "
                "tested on the same samples; run again those on the older data or split"
            )
