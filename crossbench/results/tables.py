"""Results as tables: a frame of runs in, immutable tables out.

Nothing is filled in. A cell that lacks runs says how many it has, a mean over tasks says
over how many, and only methods with every run of every task are ranked. What may not be
compared is not in one table: see :mod:`crossbench.results.boards`.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import unknown_name
from crossbench.evaluation.metrics import METRICS
from crossbench.results.boards import split_boards
from crossbench.results.table import Cell, Header, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import TypeAlias

    import pandas as pd

    from crossbench.results.boards import Board
    from crossbench.results.store import Broken

    Column: TypeAlias = dict[str, Cell]

PHANTOM = "PHANTOM DATA: says nothing about real tasks"
NOT_ABOVE = "†"


def leaderboards(frame: pd.DataFrame) -> list[Table]:
    """Table II's shape, once for each set of runs that may be compared.

    Rows are methods, best first, then the plain baselines, which are never ranked; columns
    are tasks, then the mean over them and the rank by it. Cells are mean and population
    standard deviation of the main metric over the runs.

    Args:
        frame: As from :func:`crossbench.results.store.load_results`.
    """
    return [_leaderboard(board) for board in split_boards(frame)]


def task_tables(frame: pd.DataFrame, task: str) -> list[Table]:
    """Every metric of one task, once for each set of runs that may be compared.

    Args:
        frame: As from :func:`crossbench.results.store.load_results`.
        task: Name of the task.

    Raises:
        RequestError: If the frame has no runs of this task.
    """
    if task not in set(frame["task"]):
        raise unknown_name("task", task, frame["task"].unique())
    boards = split_boards(frame[frame["task"] == task])
    return [_task_table(board, name) for board in boards for name in board.tasks]


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


def _leaderboard(board: Board) -> Table:
    higher = _higher_is_better(board.metric)
    columns = {
        Header(task, _grouping(board, task)): _compared(
            _column(board, task, board.metric), board.methods, higher=higher
        )
        for task in board.tasks
    }
    means = _compared(_means(columns.values()), board.methods, higher=higher)
    ranks = _ranks(means, board.methods, higher=higher)
    order = sorted(board.methods, key=lambda name: (ranks.get(name, len(ranks) + 1), name))
    if len(columns) > 1:
        columns[Header("average", f"{len(columns)} tasks", aside=True)] = means
        if len(ranks) > 1:
            columns[Header("rank", aside=True)] = {
                **{name: Cell(text="") for name in board.plain},
                **{name: Cell(text=str(rank), value=rank) for name, rank in ranks.items()},
            }
    what = METRICS[board.metric].title if board.metric in METRICS else board.metric
    return _table(board, order, columns, title=board.title, axis="task", what=what)


def _task_table(board: Board, task: str) -> Table:
    columns = {
        Header(metric.title, "" if metric.higher_is_better else "lower is better"): _compared(
            _column(board, task, name), board.methods, higher=metric.higher_is_better
        )
        for name, metric in METRICS.items()
    }
    title = f"{task} · {board.title}"
    return _table(board, board.methods, columns, title=title, axis="metric", what="Every metric")


def _table(
    board: Board,
    methods: Sequence[str],
    columns: Mapping[Header, Column],
    *,
    title: str,
    axis: str,
    what: str,
) -> Table:
    """Columns of cells as a table whose rows are the methods, then the plain baselines."""
    names = [*methods, *board.plain]
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
        notes=_notes(board, columns.values()),
    )


# --------------------------------------------------------------------------- cells


def _column(board: Board, task: str, metric: str) -> Column:
    """Cells of one task by row name."""
    runs = board.runs[board.runs["column"] == task]
    results: dict[str, list[tuple[str, float]]] = {}
    for name, status, value in zip(runs["row"], runs["status"], runs[metric], strict=True):
        results.setdefault(name, []).append((status, value))
    return {name: _cell(each, len(board.folds)) for name, each in results.items()}


def _cell(results: Sequence[tuple[str, float]], expected: int) -> Cell:
    """Mean and population standard deviation over the runs of one method on one task."""
    values = [value for status, value in results if status == "ok" and not math.isnan(value)]
    counts = Counter(status for status, _ in results)
    lost = {
        "failed": counts["failed"],
        "n/a": counts["skipped"],
        "undefined": counts["ok"] - len(values),
    }
    reasons = [f"{count} {word}" for word, count in lost.items() if count]
    if not values:
        word = next(word for word, count in lost.items() if count)
        plain = word == "n/a" or expected == 1
        return Cell(text=word if plain else f"{word} ({lost[word]})", count=0)
    count, mean, spread = len(values), float(np.mean(values)), float(np.std(values))
    return Cell(
        text=f"{mean:.3f} ± {spread:.3f}" if count > 1 else f"{mean:.3f}",
        detail="" if count == expected else ", ".join([f"{count}/{expected} runs", *reasons]),
        value=mean,
        spread=spread if count > 1 else None,
        count=count,
        complete=count == expected,
    )


def _means(columns: Iterable[Column]) -> Column:
    """For each row the mean over those tasks of which it has every run."""
    columns = list(columns)
    means = {}
    for name in {name: None for column in columns for name in column}:
        cells = [column[name] for column in columns if name in column]
        values = [cell.value for cell in cells if cell.complete and cell.value is not None]
        complete = len(values) == len(columns)
        mean = sum(values) / len(values) if values else None
        means[name] = Cell(
            text="–" if mean is None else f"{mean:.3f}",
            detail="" if complete else f"{len(values)}/{len(columns)} tasks",
            value=mean,
            count=len(values),
            complete=complete,
        )
    return means


def _compared(column: Column, methods: Sequence[str], *, higher: bool) -> Column:
    """The cells with the best of the methods, and those no better than guessing, marked."""
    rivals = _complete(column, methods)
    best = (max if higher else min)(rivals.values()) if len(rivals) > 1 else None
    majority = _complete(column, ["majority"]).get("majority")

    def guessing(value: float) -> bool:
        return majority is not None and (value <= majority if higher else value >= majority)

    return column | {
        name: replace(column[name], best=value == best, mark=NOT_ABOVE if guessing(value) else "")
        for name, value in rivals.items()
    }


def _ranks(means: Column, methods: Sequence[str], *, higher: bool) -> dict[str, int]:
    """Rank of each method that has every run of every task; equal means share the better."""
    values = _complete(means, methods)
    return {
        name: 1 + sum(other > value if higher else other < value for other in values.values())
        for name, value in values.items()
    }


def _complete(column: Column, names: Iterable[str]) -> dict[str, float]:
    """Values of the named cells that lack nothing."""
    cells = {name: column[name] for name in names if name in column}
    return {
        name: cell.value for name, cell in cells.items() if cell.complete and cell.value is not None
    }


# --------------------------------------------------------------------------- words


def _subtitle(board: Board, what: str) -> str:
    count = len(board.folds)
    if count == 1:
        return f"{what} of one run, {_folds(board.runs)}"
    seeds = len({seed for seed, _ in board.folds})
    grid = f"{_plural(seeds, 'seed')} × {_plural(count // seeds, 'fold')}"
    spread = f"{what}, mean ± population std over {count} runs"
    return f"{spread} ({grid})" if count % seeds == 0 else spread


def _grouping(board: Board, task: str) -> str:
    """Says so where a task is ungrouped and others on its board are not."""
    ungrouped = _ungrouped(board)
    return "ungrouped" if task in ungrouped and ungrouped != set(board.tasks) else ""


def _ungrouped(board: Board) -> set[str]:
    """Tasks whose patients (or the card's group) may be in training and test alike."""
    return set(board.runs.loc[board.runs["grouped"].eq(other=False), "column"])


def _notes(board: Board, columns: Iterable[Column]) -> tuple[str, ...]:
    notes = []
    if board.plain:
        names = ", ".join(board.plain)
        notes.append(f"Plain baselines, shown for comparison and not ranked: {names}.")
    if "majority" not in board.plain:
        notes.append("No majority-class runs here to compare with.")
    if any(cell.mark == NOT_ABOVE for column in columns for cell in column.values()):
        notes.append(f"{NOT_ABOVE} no better than guessing the majority class.")
    if ungrouped := _ungrouped(board):
        which = "All tasks are" if ungrouped == set(board.tasks) else "Where said, a task is"
        notes.append(f"{which} ungrouped: samples of one patient may be trained and tested on.")
    if board.superseded:
        runs = _plural(board.superseded, "older record")
        notes.append(f"Left out: {runs} of the same runs, from before their splits changed.")
    return tuple(notes)


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


def _higher_is_better(metric: str) -> bool:
    return metric not in METRICS or METRICS[metric].higher_is_better
