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
from crossbench.evaluation.statistics import MIN_TASKS, RESAMPLES
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.columns import (
    NOT_ABOVE,
    PARTIAL,
    TIED,
    average_column,
    mean_column,
    rank_column,
    task_column,
    trainable_column,
    with_intervals,
)
from crossbench.results.boards.draws import shared_words
from crossbench.results.boards.groups import by_group
from crossbench.results.boards.standings import standings, ties_with_best
from crossbench.results.boards.table import SHARED, Cell, Header, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from crossbench.results.boards.boards import Board
    from crossbench.results.boards.columns import Column
    from crossbench.results.boards.standings import Standing
    from crossbench.results.records.store import Broken

PHANTOM = "PHANTOM DATA: says nothing about real tasks"

SEED = 0
"""Seed of the resamples behind a report's intervals."""


def leaderboards(
    frame: pd.DataFrame, groups: Mapping[str, str] | None = None, metric: str | None = None
) -> list[Table]:
    """Table II's shape, once for each set of runs that may be compared.

    Rows are methods, best mean rank first, then the plain baselines, which are never ranked;
    columns are tasks, the mean over those of each group, over all, the mean rank, and the
    number of parameters that were trained. Cells are mean and population standard deviation of
    the metric over the runs.

    Args:
        frame: As from :func:`crossbench.results.records.store.load_results`.
        groups: Group by name of the task, as from
            :func:`crossbench.results.boards.groups.task_groups`.
        metric: What is shown and ranked by; each board's main metric where None.

    Raises:
        RequestError: If no metric has this name.
    """
    return [leaderboard(board, groups) for board in split_boards(frame, metric)]


def task_tables(frame: pd.DataFrame, task: str) -> list[Table]:
    """Every metric of one task, once for each set of runs that may be compared.

    Cells have the 95 % interval of their mean, from the spread over the runs.

    Args:
        frame: As from :func:`crossbench.results.records.store.load_results`.
        task: Name of the task.

    Raises:
        RequestError: If the frame has no runs of this task.
    """
    if task not in set(frame["task"]):
        raise unknown_name("task", task, frame["task"].unique())
    return [
        _task_table(board, name)
        for board in split_boards(frame)  # whole ones, for the same marks as on a board of all
        for name in sorted(board.runs.loc[board.runs["task"] == task, "column"].unique())
    ]


def failures(frame: pd.DataFrame) -> list[Table]:
    """One table of the runs that failed or were skipped, equal reasons together; or none."""
    lost = frame[frame["status"] != "ok"]
    same = ["method", "task", "preset", "status", "error_class", "error_message"]
    rows = [
        (f"{method} on {task}", preset, status, _folds(runs), f"{kind}: {message}".strip(": "))
        for (method, task, preset, status, kind, message), runs in lost.groupby(same)
    ]
    columns = ("run", "preset", "status", "runs", "reason")
    return [_words("Runs without a result", columns, rows)] if rows else []


def broken_files(broken: Sequence[Broken]) -> list[Table]:
    """One table of the files that are no valid records; or none."""
    rows = [(str(path), reason) for path, reason in broken]
    return [_words("Files that are no valid records", ("file", "reason"), rows)] if rows else []


# -------------------------------------------------------------------------- boards


def ranked(board: Board) -> list[Standing]:
    """A board's standings, with the resamples that every table of it rests on."""
    return standings(board, rng=np.random.default_rng(SEED))


def leaderboard(
    board: Board,
    groups: Mapping[str, str] | None = None,
    rows: Sequence[Standing] | None = None,
) -> Table:
    """One board's table; see :func:`leaderboards`.

    Args:
        board: Runs that may be compared.
        groups: Group by name of the task.
        rows: The board's :func:`ranked`; computed where None.
    """
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
            *_metric_notes(board),
            *_partial_note(board, columns),
            *_tie_note(board, columns, "task"),
            *_weights_note(board),
            *_claim_notes(board, rows),
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
                task, _detail(board, task), aside=task in board.earlier, metric=board.metric
            )
            columns[header] = task_column(board, task, board.metric, ties[task])
        tasks = [task for task in shown if task in board.counted]
        if title and len(tasks) > 1 and len(blocks) > 1:
            detail = f"{len(tasks)} tasks"
            header = Header(f"average {title}", detail, aside=True, metric=board.metric)
            means = average_column(board, tasks, np.random.default_rng(SEED))
            columns[header] = with_intervals(means)
    return columns


def _task_table(board: Board, task: str) -> Table:
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
            *_partial_note(board, columns),
            *_tie_note(board, columns, "metric"),
            *_weights_note(board),
            *[_RUN_INTERVALS] * intervals,
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
    """Columns of cells as a table whose rows are the methods, then the plain baselines."""
    known = set().union(*columns.values())
    names = [name for name in (*methods, *board.plain) if name in known]
    return Table(
        title=title,
        subtitle=_subtitle(board, what),
        caution=PHANTOM if board.source == "phantom" else "",
        axes=("method", axis),
        rows=tuple(Header(name, aside=name in board.plain) for name in names),
        columns=tuple(columns),
        cells=tuple(
            tuple(column.get(name, Cell(text="–")) for column in columns.values()) for name in names
        ),
        notes=(*_baseline_notes(board, columns.values()), *notes, *_data_notes(board)),
        shared=tuple((name, board.shared.get(name, "")) for name in SHARED),
    )


# --------------------------------------------------------------------------- words


def _subtitle(board: Board, what: str) -> str:
    count = len(board.folds)
    if count == 1:
        return f"{what} of one run, {_folds(board.runs)}"
    seeds = len({seed for seed, _ in board.folds})
    grid = f"{_plural(seeds, 'seed')} × {_plural(count // seeds, 'fold')}"
    spread = f"{what}, mean ± population std over {count} runs"
    return f"{spread} ({grid})" if count % seeds == 0 else spread


def _detail(board: Board, task: str) -> str:
    """Says so where a task is ungrouped and others are not, or is an earlier version of one."""
    ungrouped = _ungrouped(board)
    said = ["ungrouped"] if task in ungrouped and ungrouped != set(board.tasks) else []
    return ", ".join([*said, *["earlier version"] * (task in board.earlier)])


def _ungrouped(board: Board) -> set[str]:
    """Tasks whose patients (or the card's group) may be in training and test alike."""
    return set(board.runs.loc[board.runs["grouped"].eq(other=False), "column"])


def _baseline_notes(board: Board, columns: Iterable[Column]) -> list[str]:
    notes = []
    if board.plain:
        names = ", ".join(board.plain)
        notes.append(f"Plain baselines, shown for comparison and not ranked: {names}.")
    if "majority" not in board.plain:
        notes.append("No majority-class runs here to compare with.")
    if _is_marked(columns, NOT_ABOVE):
        notes.append(f"{NOT_ABOVE} no better than guessing the majority class.")
    return notes


def _metric_notes(board: Board) -> list[str]:
    """Says so where tasks declare other main metrics than the one shown."""
    declared = ", ".join(map(title_of, board.declared))
    if board.metric not in board.declared:
        return [f"{title_of(board.metric)} was asked for; declared as main metric: {declared}."]
    if len(board.declared) > 1:
        remedy = "report --metric asks for another"
        return [f"The tasks declare several main metrics ({declared}); {remedy}."]
    return []


def _partial_note(board: Board, columns: Mapping[Header, Column]) -> list[str]:
    """What a mean over fewer classes than there are lacks, and where."""
    marked = {header.metric for header, column in columns.items() if _is_marked([column], PARTIAL)}
    what = "in some runs a mean over fewer classes, for their test parts lack one: another quantity"
    where = sorted({board.lacking(metric) for metric in marked})
    return [f"{PARTIAL} {what} than the others ({words})." for words in where]


def _tie_note(board: Board, columns: Mapping[Header, Column], axis: str) -> list[str]:
    """What the mark of a tie rests on."""
    if not _is_marked(columns.values(), TIED):
        return []
    runs = len(board.folds)
    test = (
        f"corrected resampled t over {runs} paired runs, Holm over the pairs of methods on "
        "all tasks"
        if runs > 1 and board.split_folds > 1
        else "a single run or fold carries no test"
    )
    return [f"{TIED} not shown to differ from the best of its {axis} at 5 % ({test})."]


def _weights_note(board: Board) -> list[str]:
    return [words] if (words := shared_words(board)) else []


def _claim_notes(board: Board, rows: Sequence[Standing]) -> list[str]:
    """What the board says over tasks: coverage, whether there is a claim, intervals."""
    methods = [row for row in rows if not row.plain]
    short = [f"{row.name} ({row.tasks} of {row.total})" for row in methods if row.tasks < row.total]
    notes = [f"Not ranked, for they lack runs of some tasks: {', '.join(short)}."] if short else []
    count = len(board.counted)
    if count < MIN_TASKS:
        return [*notes, f"No claim over tasks: {_plural(count, 'task')}, {MIN_TASKS} are needed."]
    placed = [row for row in methods if row.rank]
    if any(row.beside_first for row in placed):
        notes.append(
            f"Mean rank: ties with the first ({TIED}) by Wilcoxon's signed rank test over N = "
            f"{count} tasks, Holm over the pairs of ranked methods."
        )
        notes += [f"{row.name}: {row.note}." for row in placed if row.beside_first == "ahead"]
    elif placed:
        notes.append(f"Mean rank: {placed[0].note}.")
    return [*notes, _TASK_INTERVALS]


def _data_notes(board: Board) -> list[str]:
    notes = []
    if ungrouped := _ungrouped(board):
        which = "All tasks are" if ungrouped == set(board.tasks) else "Where said, a task is"
        notes.append(f"{which} ungrouped: samples of one patient may be trained and tested on.")
    if board.earlier:
        which = ", ".join(board.earlier)
        notes.append(f"Not counted over tasks, being earlier versions of one that is: {which}.")
    if board.superseded:
        runs = _plural(board.superseded, "older record")
        notes.append(f"Left out: {runs} of the same runs, from before their splits changed.")
    if unsealed := int((~board.runs["sealed"]).sum()):
        runs = f"{unsealed} of {_plural(len(board.runs), 'record')}"
        notes.append(
            f"Unsealed: {runs}, of schema 1; no digest shows whether they were changed. Metrics "
            "are computed from the float32 probabilities that they keep."
        )
    return notes


_TASK_INTERVALS = (
    f"a to b: 95 % interval; of an average, tasks resampled ({RESAMPLES:,} resamples, seed "
    f"{SEED}); of a mean rank, Clopper and Pearson's between its bounds."
)
_RUN_INTERVALS = (
    "a to b: 95 % interval, Student's t over the runs, corrected for their overlapping "
    "training parts."
)


def _is_marked(columns: Iterable[Column], mark: str) -> bool:
    return any(mark in cell.mark for column in columns for cell in column.values())


def _words(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table of words, whose first column names the row."""
    return Table(
        title=title,
        axes=(columns[0], ""),
        rows=tuple(Header(str(row[0])) for row in rows),
        columns=tuple(Header(name) for name in columns[1:]),
        cells=tuple(tuple(Cell(text=str(text)) for text in row[1:]) for row in rows),
    )


def _folds(runs: pd.DataFrame) -> str:
    """The folds of each seed in words: ``seed 43 folds 0 1 2, seed 44 fold 0``."""
    folds: dict[int, list[int]] = {}
    for seed, fold in sorted(set(zip(runs["seed"], runs["fold"], strict=True))):
        folds.setdefault(seed, []).append(fold)
    return ", ".join(
        f"seed {seed} fold{'s' * (len(of_seed) > 1)} {' '.join(map(str, of_seed))}"
        for seed, of_seed in folds.items()
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
