"""Results as tables: a frame of runs in, immutable tables out.

Nothing is filled in. A cell that lacks runs says how many it has, a mean over tasks says
over how many, and only methods with every run of every task are ranked. What may not be
compared is not in one table: see :mod:`crossbench.results.boards.boards`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import unknown_name
from crossbench.evaluation.metrics import METRICS, title_of
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.columns import (
    average_column,
    mean_column,
    rank_column,
    task_column,
    trainable_column,
    with_intervals,
)
from crossbench.results.boards.contents import with_data
from crossbench.results.boards.draws import shared_words
from crossbench.results.boards.groups import by_group
from crossbench.results.boards.notes import (
    RUN_INTERVALS,
    SEED,
    baseline_notes,
    chance_notes,
    claim_notes,
    data_notes,
    folds_in_words,
    metric_notes,
    partial_note,
    subtitle,
    task_detail,
    tie_note,
)
from crossbench.results.boards.standings import standings, ties_with_best
from crossbench.results.boards.table import NOTHING, SHARED, Header, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.columns import Column
    from crossbench.results.boards.standings import Standing
    from crossbench.results.records.store import Broken

PHANTOM = "PHANTOM DATA: says nothing about real tasks"


def leaderboards(boards: Iterable[Board], groups: Mapping[str, str] | None = None) -> list[Table]:
    """Table II's shape, once for each board.

    Rows are methods, best mean rank first, then the plain baselines and chance, never ranked;
    columns are tasks, the mean over those of each group, over all, the mean rank, and the
    number of parameters that were trained. Cells are mean and population standard deviation of
    the metric over the runs.

    Args:
        boards: As from :func:`crossbench.results.boards.boards.split_boards`.
        groups: Group by name of the task, as from
            :func:`crossbench.results.boards.groups.task_groups`.
    """
    return [leaderboard(board, groups) for board in boards]


def task_tables(frame: pd.DataFrame, task: str) -> list[Table]:
    """Every metric of one task, once for each set of runs that may be compared.

    Cells have the 95 % interval of their mean, from the spread over the runs.

    Raises:
        RequestError: If the frame has no runs of this task.
    """
    if task not in set(frame["task"]):
        raise unknown_name("task", task, frame["task"].unique())
    return [
        task_table(board, name)
        for board in split_boards(frame)  # whole ones, for the same marks as on a board of all
        for name in sorted(board.runs.loc[board.runs["task"] == task, "column"].unique())
    ]


def failures(frame: pd.DataFrame) -> list[Table]:
    """Runs that failed or were skipped, grouped by reason: one table or none."""
    frame = with_data(frame)
    lost = frame[frame["status"] != "ok"]
    same = ["method", "task", "data", "preset", "status", "error_class", "error_message"]
    rows = [
        (
            f"{method} on {task}{f' ({data})' * bool(data)}",
            preset,
            status,
            folds_in_words(runs),
            f"{kind}: {message}".strip(": "),
        )
        for (method, task, data, preset, status, kind, message), runs in lost.groupby(same)
    ]
    columns = ("run", "preset", "status", "runs", "reason")
    return [Table.of_words(columns, rows, title="Runs without a result")] if rows else []


def broken_files(broken: Sequence[Broken]) -> list[Table]:
    """One table of the files that are no valid records; or none."""
    title = "Files that are no valid records"
    return [Table.of_words(("file", "reason"), broken, title=title)] if broken else []


# -------------------------------------------------------------------------- boards


def ranked(board: Board) -> list[Standing]:
    """A board's standings, with the resamples that every table of it rests on."""
    return standings(board, rng=np.random.default_rng(SEED))


def leaderboard(
    board: Board,
    groups: Mapping[str, str] | None = None,
    rows: Sequence[Standing] | None = None,
) -> Table:
    """One board's table; see :func:`leaderboards`."""
    rows = ranked(board) if rows is None else rows
    columns = _task_columns(board, groups or {})
    if len(board.counted) > 1:
        detail = f"{len(board.counted)} tasks"
        average = Header("average", detail, aside=True, metric=board.metric)
        columns[average] = with_intervals(mean_column(board, rows))
        if any(row.rank for row in rows):
            columns[Header("mean rank", aside=True)] = with_intervals(rank_column(rows), digits=1)
    if trainable := trainable_column(board):
        columns[Header("trainable parameters", aside=True)] = trainable
    return _table(
        board,
        [row.name for row in rows if not row.plain],
        columns,
        title=board.title,
        axis="task",
        what=title_of(board.metric),
        notes=[
            *metric_notes(board),
            *partial_note(board, columns),
            *tie_note(board, columns, "task"),
            shared_words(board),
            *claim_notes(board, rows),
        ],
    )


def _task_columns(board: Board, groups: Mapping[str, str]) -> dict[Header, Column]:
    """The tasks, group by group; a mean after each group where there are several."""
    task_of = dict(zip(board.runs["column"], board.runs["task"], strict=True))
    ties = ties_with_best(board, board.metric)
    blocks = by_group(board.tasks, {name: groups.get(task_of[name], "") for name in board.tasks})
    columns = {}
    for title, shown in blocks.items():
        for task in shown:
            header = Header(
                task, task_detail(board, task), aside=task in board.earlier, metric=board.metric
            )
            columns[header] = task_column(board, task, board.metric, ties[task])
        tasks = [task for task in shown if task in board.counted]
        if title and len(tasks) > 1 and len(blocks) > 1:
            detail = f"{len(tasks)} tasks"
            header = Header(f"average {title}", detail, aside=True, metric=board.metric)
            means = average_column(board, tasks, np.random.default_rng(SEED))
            columns[header] = with_intervals(means)
    return columns


def task_table(board: Board, task: str) -> Table:
    """Every metric of one task of a board; see :func:`task_tables`."""
    columns = {
        Header(
            metric.title, "" if metric.higher_is_better else "lower is better", metric=name
        ): with_intervals(task_column(board, task, name, ties_with_best(board, name)[task]))
        for name, metric in METRICS.items()
    }
    intervals = any(cell.low is not None for column in columns.values() for cell in column.values())
    return _table(
        board,
        board.methods,
        columns,
        title=f"{task} · {board.title}",
        axis="metric",
        what="Every metric",
        notes=[
            *partial_note(board, columns),
            *tie_note(board, columns, "metric"),
            shared_words(board),
            *[RUN_INTERVALS] * intervals,
        ],
    )


def _table(
    board: Board,
    methods: Sequence[str],
    columns: Mapping[Header, Column],
    *,
    title: str,
    axis: str,
    what: str,
    notes: Sequence[str],
) -> Table:
    """A table with rows of methods, then plain baselines, then chance."""
    known = {name for head, column in columns.items() if head.metric for name in column}
    names = [name for name in (*methods, *board.beside) if name in known]
    rows = {
        Header(name, aside=name in board.beside): [
            column.get(name, NOTHING) for column in columns.values()
        ]
        for name in names
    }
    return Table.of_rows(
        columns,
        rows.items(),
        title=title,
        subtitle=subtitle(board, what),
        caution=PHANTOM if board.source == "phantom" else "",
        axes=("method", axis),
        notes=(
            *baseline_notes(board, columns.values()),
            *chance_notes(board, columns),
            *filter(None, notes),
            *data_notes(board),
        ),
        shared=tuple((name, board.shared.get(name, "")) for name in SHARED),
    )
