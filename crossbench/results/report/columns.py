"""The columns of a report's boards that a reader asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import RequestError, unknown_name
from crossbench.results.boards.board_columns import board_columns, with_columns
from crossbench.results.boards.pareto import COSTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossbench.results.boards.board_columns import BoardColumn
    from crossbench.results.boards.boards import Board
    from crossbench.results.boards.table import Table

TASKS = "tasks"
"""Name that stands for the columns of all tasks."""


def with_costs(table: Table, board: Board) -> Table:
    """A board's table with a column for each cost that any of its rows has."""
    known = board_columns().columns
    names = [name.replace("_", "-") for name in COSTS]
    wide = with_columns(table, board, [known[name] for name in names if name in known])
    own = len(table.columns)
    filled = [
        place
        for place in range(len(wide.columns))
        if place < own or any(row[place].value is not None for row in wide.cells)
    ]
    return wide.picked(filled)


def chosen(pairs: Sequence[tuple[Board, Table]], names: Sequence[str]) -> list[Table]:
    """The boards' tables with the named columns alone, in the order of the names.

    Args:
        pairs: Boards and their tables.
        names: Heads of columns with hyphens for spaces (``mean-rank``), :data:`TASKS`, or names of
            :func:`~crossbench.results.boards.board_columns.board_columns`. A task that a board
            lacks is left out there.

    Raises:
        RequestError: If no board has such a column.
    """
    found = board_columns()
    heads = {_name(head.text) for _, table in pairs for head in table.columns}
    for name in names:
        if name not in {TASKS, *heads, *found.columns}:
            said = unknown_name("column", name, [TASKS, *sorted(heads), *found.columns])
            raise RequestError("\n".join([str(said), *found.faults]))
    return [_chosen(board, table, names, heads, found.columns) for board, table in pairs]


def _chosen(
    board: Board,
    table: Table,
    names: Sequence[str],
    heads: set[str],
    known: Mapping[str, BoardColumn],
) -> Table:
    added = [name for name in names if name not in {TASKS, *heads}]
    wide = with_columns(table, board, [known[name] for name in added])
    own = list(enumerate(table.columns))
    places = {_name(head.text): [place] for place, head in own}
    places[TASKS] = [place for place, head in own if not head.aside]
    places |= {name: [len(own) + number] for number, name in enumerate(added)}
    return wide.picked([place for name in names for place in places.get(name, ())])


def _name(head: str) -> str:
    return head.replace(" ", "-")
