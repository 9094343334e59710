"""Tables for people at a terminal, fitted to its width.

A table that is too wide is turned, so that tasks are rows and methods columns, if that helps;
what is still too wide is continued below.
"""

from __future__ import annotations

import io
import shutil
import textwrap
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from crossbench.results.boards.table import BEST, LEGEND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.table import Cell, Header, Table

_GAP = 2
_NAME_WIDTH = 24
_NARROWEST = 10


def to_terminal(tables: Sequence[Table], *, width: int | None, colour: bool) -> str:
    """Tables as lines of at most ``width`` columns, where names allow it."""
    width = width or shutil.get_terminal_size((100, 24)).columns
    console = Console(
        file=io.StringIO(),
        width=width,
        force_terminal=colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for table in tables:
        _print(console, table, width)
        console.print("\n")
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def _print(console: Console, table: Table, width: int) -> None:
    console.print(Text(table.title, style="bold"))
    if table.caution:
        console.print(Text(table.caution, style="bold yellow"))
    if table.subtitle:
        console.print(Text(table.subtitle))
    for grid in [_list(table)] if table.is_list else map(_grid, _fitted(table, width)):
        console.print()
        console.print(grid)
    starred = any(cell.best for cells in table.cells for cell in cells)
    if notes := [LEGEND] * starred + list(table.notes):
        console.print()
        console.print(Text("\n".join(notes), style="dim"))


# ------------------------------------------------------------------------- fitting


def _fitted(table: Table, width: int) -> list[Table]:
    """The table, or the parts of it or of its transpose that fit: whichever are fewer."""
    upright, turned = _parts(table, width), _parts(table.transposed(), width)
    return turned if len(turned) < len(upright) else upright


def _parts(table: Table, width: int) -> list[Table]:
    """The columns of a table in stretches that fit, the row names repeated."""
    stretches: list[list[int]] = []
    used = width + 1
    for index in range(len(table.columns)):
        needed = _GAP + _column_width(table, index)
        if used + needed > width:
            stretches.append([])
            used = _name_width(table)
        stretches[-1].append(index)
        used += needed
    return [table.picked(stretch) for stretch in stretches]


def _column_width(table: Table, index: int) -> int:
    cells = _width([line for row in table.cells for line in _cell_lines(row[index])])
    return max(cells, _width(_wrapped(table.columns[index], cells)))


def _name_width(table: Table) -> int:
    lines = [line for row in table.rows for line in _wrapped(row, _NAME_WIDTH)]
    return _width([table.axes[0], *lines])


def _width(lines: Sequence[str]) -> int:
    return max(map(cell_len, lines), default=0)


# ------------------------------------------------------------------------- drawing


def _grid(table: Table) -> Grid:
    """Names and figures, each in a column exactly as wide as it needs."""
    grid = _empty_grid()
    grid.add_column(table.axes[0], width=_name_width(table))
    for index, column in enumerate(table.columns):
        width = _column_width(table, index)
        header = Text("\n".join(_wrapped(column, width)))
        grid.add_column(header, width=width, style="dim" if column.aside else "")
    following = [*table.rows[1:], table.rows[-1]]
    for row, after, cells in zip(table.rows, following, table.cells, strict=True):
        name = Text("\n".join(_wrapped(row, _NAME_WIDTH)))
        style = "dim" if row.aside else ""
        grid.add_row(name, *map(_drawn, cells), style=style, end_section=row.aside != after.aside)
    return grid


def _list(table: Table) -> Grid:
    """Words, wrapped where the terminal ends."""
    grid = _empty_grid()
    for column in (table.axes[0], *(column.label for column in table.columns)):
        grid.add_column(column, overflow="fold")
    for row, cells in zip(table.rows, table.cells, strict=True):
        grid.add_row(Text(row.label), *(Text("\n".join(_cell_lines(cell))) for cell in cells))
    return grid


def _empty_grid() -> Grid:
    return Grid(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))


def _drawn(cell: Cell) -> Text:
    first, *rest = _cell_lines(cell)
    drawn = Text(first, style="bold green" if cell.best else "")
    if cell.value is None:
        drawn.stylize("yellow")
    return drawn.append("".join(f"\n{line}" for line in rest), style="dim")


def _cell_lines(cell: Cell) -> list[str]:
    """The figure, and what limits it below: one line each."""
    figure = cell.text + cell.mark + BEST * cell.best
    if not cell.detail:
        return [figure]
    return [figure, *f"({cell.detail})".replace(", ", ",\n").splitlines()]


def _wrapped(header: Header, width: int) -> list[str]:
    """A name in lines of the width of what is under it, or a little more."""
    lines = textwrap.wrap(header.text, max(width, _NARROWEST), break_long_words=False)
    return [*lines, f"({header.detail})"] if header.detail else lines
