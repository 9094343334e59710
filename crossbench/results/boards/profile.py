"""One method on its boards: every task with its score, interval and place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.results.boards.board import CHANCE
from crossbench.results.boards.columns import NOT_ABOVE, TIED, complete, task_column
from crossbench.results.boards.standings import higher_is_better, ties_with_best

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.columns import Column

COLUMNS = (
    "row",
    "task",
    "score",
    "low",
    "high",
    "place",
    "of",
    "beside_best",
    "majority",
    "above_majority",
    "chance",
    "runs",
    "expected",
    "text",
)

_NUMBERS = ("score", "low", "high", "place", "majority", "chance")


def profile(board: Board, method: str) -> pd.DataFrame:
    """A method's results on a board, one row a task and version of the method.

    Args:
        board: The board.
        method: Registry name; of a method whose code changed, each version has rows of its own.

    Returns:
        Columns ``row`` (the board's name of the version), ``task``, ``score low high`` (mean over
        the runs and its 95 % interval; NaN where there is none), ``place`` among the ``of`` methods
        that have every run (NaN for one that has not), ``beside_best`` (``best``, ``not shown to
        differ`` or empty), ``majority`` (score of the majority class) and ``above_majority``,
        ``chance`` (score of a blind guess, NaN where not defined), finished ``runs`` of those
        ``expected``, and ``text`` (the score as tables print it, or why there is none).
    """
    own = board.runs.loc[board.runs["method"] == method]
    ties = ties_with_best(board, board.metric)
    entries = []
    for task in sorted(own["column"].unique()):
        column = task_column(board, task, board.metric, ties[task])
        entries += list(_entries(board, task, column, own))
    return pd.DataFrame(entries, columns=list(COLUMNS)).astype(dict.fromkeys(_NUMBERS, float))


def _entries(
    board: Board, task: str, column: Column, own: pd.DataFrame
) -> Iterator[dict[str, Any]]:
    for row in sorted(own.loc[own["column"] == task, "row"].unique()):
        cell = column[row]
        majority = column["majority"].value if "majority" in column else None
        yield {
            "row": row,
            "task": task,
            "score": cell.value,
            "low": cell.low,
            "high": cell.high,
            **_place(board, column, row),
            "beside_best": "best" if cell.best else "not shown to differ" * (TIED in cell.mark),
            "majority": majority,
            "above_majority": cell.value is not None and NOT_ABOVE not in cell.mark,
            "chance": column[CHANCE].value if CHANCE in column else None,
            "runs": cell.count or 0,
            "expected": len(board.folds),
            "text": f"{cell.text} ({cell.detail})" if cell.detail else cell.text,
        }


def _place(board: Board, column: Column, row: str) -> dict[str, int | None]:
    """Place of a complete cell among the methods', equal ones sharing the better."""
    sign = 1 if higher_is_better(board.metric) else -1
    values = {name: sign * value for name, value in complete(column, board.methods).items()}
    if row not in values:
        return {"place": None, "of": len(values)}
    return {"place": 1 + sum(value > values[row] for value in values.values()), "of": len(values)}
