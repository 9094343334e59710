"""Boards as tables of a page, with the row of chance below the plain baselines."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crossbench.hosting.site.markup import Html
from crossbench.results.boards.table import NOTHING, Cell, Header
from crossbench.results.report.html import grid, section
from crossbench.results.report.render import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.results.boards.boards import Board
    from crossbench.results.boards.table import Table

CHANCE = "chance"
_CHANCE_NOTE = "Chance: what a guess expects that draws each of K classes with probability 1/K."

# Metrics of which such a guess expects 1/K, and those of which it expects a half.
_SHARES = ("balanced_accuracy", "accuracy")
_HALVES = ("auroc",)


def with_chance(table: Table, classes: Mapping[str, int], task: str = "") -> Table:
    """The table with a last row of what blind guesses expect.

    Args:
        table: Of one row a method.
        classes: Number of classes by task.
        task: The task of every column; where empty, a column's name is its task's.
    """
    cells = tuple(_chance(column, classes.get(task or column.text)) for column in table.columns)
    return replace(
        table,
        rows=(*table.rows, Header(CHANCE, aside=True)),
        cells=(*table.cells, cells),
        notes=(*table.notes, _CHANCE_NOTE),
    )


def class_counts(board: Board, classes: Mapping[str, int]) -> dict[str, int]:
    """Number of classes by column of a board, from that by task."""
    pairs = zip(board.runs["column"], board.runs["task"], strict=True)
    return {column: classes[task] for column, task in pairs if task in classes}


def shown(table: Table, anchor: str, links: Mapping[str, str]) -> Html:
    """A table with its heading and notes as a section."""
    return Html(section(printable(table), anchor, links))


def bare(table: Table, links: Mapping[str, str]) -> Html:
    """The cells of a table alone."""
    return Html(grid(printable(table), links))


def expected_by_chance(metric: str, classes: int | None) -> float | None:
    """What a blind guess expects of a metric on so many classes; None where it is not known."""
    if not classes or metric not in (*_SHARES, *_HALVES):
        return None
    return 1 / classes if metric in _SHARES else 0.5


def _chance(column: Header, classes: int | None) -> Cell:
    expected = expected_by_chance(column.metric, classes)
    return NOTHING if expected is None else Cell(text=f"{expected:.3f}", value=expected)
