"""Columns of a board's tables: cells by row name, with their marks.

A cell that lacks runs says how many it has, and only cells that lack nothing are compared.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from crossbench.evaluation.statistics import estimate
from crossbench.results.boards.board import CHANCE
from crossbench.results.boards.standings import (
    complete_means,
    higher_is_better,
    means_over_runs,
)
from crossbench.results.boards.table import Cell

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from crossbench.evaluation.statistics import Estimate
    from crossbench.results.boards.board import Board
    from crossbench.results.boards.standings import Standing

Column: TypeAlias = dict[str, Cell]

NOT_ABOVE = "†"
TIED = "‡"
PARTIAL = "§"


def task_column(board: Board, task: str, metric: str, ties: Collection[str]) -> Column:
    """Means over the runs of one task, the best method and its ties marked."""
    runs = board.task_runs(task, metric)
    results: dict[str, list[tuple[str, float]]] = {}
    for name, status, value in zip(runs["method"], runs["status"], runs["score"], strict=True):
        results.setdefault(name, []).append((status, value))
    column = {name: _cell(each, len(board.folds)) for name, each in results.items()}
    for name, mean in means_over_runs(board, task, metric).items():
        column[name] = replace(column[name], low=mean.low, high=mean.high)
    column = _compared(column, board, metric)
    if (chance := board.chance(metric).get(task)) is not None:
        column[CHANCE] = Cell(text=f"{chance:.3f}", value=chance)
    for name in ties:
        if not column[name].best:
            column[name] = replace(column[name], mark=column[name].mark + TIED)
    return _partly(column, board, [task], metric)


def average_column(board: Board, tasks: Sequence[str], rng: np.random.Generator) -> Column:
    """Means of the main metric over the complete ones of some tasks."""
    scores = complete_means(board, board.metric).loc[list(tasks)]
    values = {name: scores[name].dropna() for name in scores.columns}
    column = {
        name: _average(estimate(each, rng=rng) if len(each) else None, len(each), len(tasks))
        for name, each in values.items()
    }
    return _partly(_compared(column, board, board.metric), board, tasks, board.metric)


def mean_column(board: Board, rows: Iterable[Standing]) -> Column:
    """The standings' means over all tasks."""
    column = {row.name: _average(row.mean, row.tasks, row.total) for row in rows}
    return _partly(_compared(column, board, board.metric), board, board.counted, board.metric)


def rank_column(rows: Iterable[Standing]) -> Column:
    """Mean ranks of the standings, empty for those beside the methods."""
    rows = list(rows)
    first = min((row.rank.value for row in rows if row.rank), default=None)
    column = {row.name: Cell(text="") for row in rows if row.plain}
    for row in rows:
        if row.rank:
            best = row.rank.value == first
            column[row.name] = Cell(
                text=f"{row.rank.value:.2f}",
                mark=TIED if row.beside_first == "ties" and not best else "",
                best=best,
                value=row.rank.value,
                low=row.rank.low,
                high=row.rank.high,
                count=row.tasks,
                complete=True,
            )
    return column


def trainable_column(board: Board) -> Column:
    """Trainable parameters of each method, the mean over its runs."""
    if "parameters_trainable" not in board.runs:
        return {}
    means = board.runs.groupby("row")["parameters_trainable"].mean().dropna()
    known = {str(name): Cell(text=f"{mean:,.0f}", value=mean) for name, mean in means.items()}
    return known and dict.fromkeys(board.beside, Cell(text="")) | known


def with_intervals(column: Column, digits: int = 3) -> Column:
    """The cells with their intervals, where they have one, in words."""
    return {name: _with_interval(cell, digits) for name, cell in column.items()}


# --------------------------------------------------------------------------- cells


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


def _average(mean: Estimate | None, count: int, total: int) -> Cell:
    """Mean over ``count`` of ``total`` tasks."""
    if mean is None:
        return Cell(text="–", detail=f"0/{total} tasks", count=0)
    return Cell(
        text=f"{mean.value:.3f}",
        detail="" if count == total else f"{count}/{total} tasks",
        value=mean.value,
        low=mean.low,
        high=mean.high,
        count=count,
        complete=count == total,
    )


def _with_interval(cell: Cell, digits: int) -> Cell:
    if cell.low is None or cell.high is None:
        return cell
    interval = f"{cell.low:.{digits}f} to {cell.high:.{digits}f}"
    return replace(cell, detail=", ".join(filter(None, [interval, cell.detail])))


def _compared(column: Column, board: Board, metric: str) -> Column:
    """The cells, with the best method and those no better than guessing marked."""
    higher = higher_is_better(metric)
    rivals = complete(column, board.methods)
    best = (max if higher else min)(rivals.values()) if len(rivals) > 1 else None
    majority = complete(column, ["majority"]).get("majority")

    def guessing(value: float) -> bool:
        return majority is not None and (value <= majority if higher else value >= majority)

    return column | {
        name: replace(column[name], best=value == best, mark=NOT_ABOVE if guessing(value) else "")
        for name, value in rivals.items()
    }


def _partly(column: Column, board: Board, tasks: Sequence[str], metric: str) -> Column:
    """The cells, with means over fewer classes than there are marked."""
    partial = board.partial(metric)
    some = {row for task, row in partial if task in tasks and row in column}
    some = {row for row in some if column[row].value is not None}
    return column | {row: replace(column[row], mark=column[row].mark + PARTIAL) for row in some}


def complete(column: Column, names: Iterable[str]) -> dict[str, float]:
    """Values of the named cells that lack nothing."""
    cells = {name: column[name] for name in names if name in column}
    return {
        name: cell.value for name, cell in cells.items() if cell.complete and cell.value is not None
    }
