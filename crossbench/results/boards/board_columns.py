"""Columns of a board's table, chosen by name; packages add to them.

A package registers a :class:`BoardColumn` under the entry point group ``crossbench.columns``. Of a
broken one its error is told, and it hides no other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from crossbench.errors import RequestError, unknown_name
from crossbench.errors.foreign import contained, show
from crossbench.registry.entries import COLUMN_GROUP, points
from crossbench.results.boards.board import CHANCE
from crossbench.results.boards.pareto import COSTS, OF_MACHINES
from crossbench.results.boards.table import NOTHING, Cell, Header
from crossbench.results.records.files import read_record
from crossbench.results.records.method_origin import MethodOrigin

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from crossbench.registry.entries import Point
    from crossbench.results.boards.board import Board
    from crossbench.results.boards.table import Table

Value: TypeAlias = float | str | None

TASKS = "tasks"
"""Name that stands for the columns of all tasks."""


@dataclass(frozen=True, kw_only=True)
class BoardColumn:
    """What a board can say of each of its rows.

    Attributes:
        name: Name in kebab case, by which it is asked for.
        title: Head of the column.
        help: What it says, in a sentence.
        value: Gives a number or words for the board and the name of a row; None for nothing.
    """

    name: str
    title: str
    help: str
    value: Callable[[Board, str], Value]


class Found(NamedTuple):
    """The columns there are, and messages on those that cannot be had.

    Attributes:
        columns: Columns by name, those of crossbench first.
        faults: One message for each that is broken.
    """

    columns: dict[str, BoardColumn]
    faults: tuple[str, ...]


def board_columns() -> Found:
    """The columns of crossbench and of installed packages."""
    columns, faults = {column.name: column for column in _OWN}, []
    for point in points(COLUMN_GROUP):
        try:
            column = _load(point, columns)
            columns[column.name] = column
        except RequestError as error:
            faults.append(str(error))
    return Found(columns, tuple(faults))


def with_columns(table: Table, board: Board, columns: Iterable[BoardColumn]) -> Table:
    """A board's table with further columns at its right.

    Args:
        table: As from :func:`crossbench.results.boards.tables.leaderboard`.
        board: Its board.
        columns: What is added; a value that cannot be had is "failed", with the reason in a note.
    """
    notes: list[str] = []
    for column in columns:
        cells = tuple(
            (*row, NOTHING if head.text == CHANCE else _cell(column, board, head.text, notes))
            for head, row in zip(table.rows, table.cells, strict=True)
        )
        head = Header(column.title, aside=True)
        table = replace(table, columns=(*table.columns, head), cells=cells)
    return replace(table, notes=(*table.notes, *dict.fromkeys(notes)))


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
            :func:`board_columns`. A task that a board lacks is left out there.

    Raises:
        RequestError: If no board has such a column.
    """
    found = board_columns()
    heads = {_head(head.text) for _, table in pairs for head in table.columns}
    for name in names:
        if name not in {TASKS, *heads, *found.columns}:
            said = unknown_name("column", name, [TASKS, *sorted(heads), *found.columns])
            raise RequestError("\n".join([str(said), *found.faults]))
    return [_chosen(board, table, names, heads, found.columns) for board, table in pairs]


def _load(point: Point, taken: Collection[str]) -> BoardColumn:
    """The column of an entry point, imported."""
    where = f"column {point.entry.name!r} of {point.distribution}"
    if point.fault:
        raise RequestError(f"{where}: {point.fault}; reinstall {point.distribution}")
    with contained(f"{where} cannot be imported from {point.entry.value}"):
        column = point.entry.load()
    if not isinstance(column, BoardColumn):
        raise RequestError(f"{where}: {point.entry.value} is no BoardColumn")
    if column.name in taken:
        raise RequestError(f"{where}: the name {show(column.name)} is taken; choose another")
    return column


def _cell(column: BoardColumn, board: Board, row: str, notes: list[str]) -> Cell:
    try:
        with contained(f"column {show(column.name)} has no value"):
            value = column.value(board, row)
            text = _number(value) if isinstance(value, float) else str(value)
    except RequestError as error:
        notes.append(f"{error}.")
        return Cell(text="failed")
    if value is None:
        return NOTHING
    return Cell(text=text, value=float(value) if isinstance(value, int | float) else None)


def _number(value: float) -> str:
    """Four digits, and every digit of what is larger."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


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
    places = {_head(head.text): [place] for place, head in own}
    places[TASKS] = [place for place, head in own if not head.aside]
    places |= {name: [len(own) + number] for number, name in enumerate(added)}
    return wide.picked([place for name in names for place in places.get(name, ())])


def _head(head: str) -> str:
    return head.replace(" ", "-")


# ------------------------------------------------------------------- those of crossbench


def _cost(name: str) -> Callable[[Board, str], Value]:
    """Mean of a cost over a row's finished runs; of times and memory, on one machine alone."""

    def value(board: Board, row: str) -> Value:
        runs = board.runs[(board.runs["row"] == row) & (board.runs["status"] == "ok")]
        if name not in runs or runs[name].isna().all():
            return None
        if name in OF_MACHINES and board.runs["hardware"].nunique() > 1:
            return None
        return float(runs[name].mean())

    return value


def _runs(board: Board, row: str) -> Value:
    runs = board.runs[board.runs["row"] == row]
    return f"{int((runs['status'] == 'ok').sum())} of {len(runs)}"


def _of_origin(words: Callable[[MethodOrigin], str]) -> Callable[[Board, str], Value]:
    """What the latest record of a row says of its method."""

    def value(board: Board, row: str) -> Value:
        runs = board.runs[board.runs["row"] == row].sort_values("started", kind="stable")
        return words(MethodOrigin.of(read_record(Path(runs["path"].iloc[-1])))) or None

    return value


_OWN = (
    *(
        BoardColumn(
            name=name.replace("_", "-"),
            title=title,
            help=f"Mean {title} over the finished runs.",
            value=_cost(name),
        )
        for name, title in COSTS.items()
        if name != "parameters_trainable"  # which every board's table has
    ),
    BoardColumn(
        name="runs", title="finished runs", help="Finished runs of those there are.", value=_runs
    ),
    BoardColumn(
        name="authors",
        title="authors",
        help="Authors of the method, as its latest record says.",
        value=_of_origin(lambda origin: ", ".join(origin.metadata.authors)),
    ),
    BoardColumn(
        name="licence",
        title="licence",
        help="Licence of the method's code, as its latest record says.",
        value=_of_origin(lambda origin: origin.metadata.licence),
    ),
)
