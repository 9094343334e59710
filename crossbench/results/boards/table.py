"""A table as data: what every format is rendered from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

#: Sign of the best cell where a format has no bold face, and what it means.
BEST = "*"
LEGEND = f"{BEST} the best of the methods that have every run."

#: What the runs behind a table have in common, in :attr:`Table.shared`.
SHARED = ("source", "dimension", "preset", "protocol", "backbone", "init", "settings")


@dataclass(frozen=True)
class Header:
    """Name of a row or column.

    Attributes:
        text: The name.
        detail: What a reader must know of everything under it, such as ``ungrouped``.
        aside: Whether it is set off from what is compared: means, ranks, plain baselines.
        metric: Name of the metric of the figures under it; empty where they are of none.
    """

    text: str
    detail: str = ""
    aside: bool = False
    metric: str = ""

    @property
    def label(self) -> str:
        """Name and detail in one line."""
        return f"{self.text} ({self.detail})" if self.detail else self.text


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One entry of a table.

    Attributes:
        text: The entry as people read it.
        detail: What limits it, such as ``4/5 runs``, or its interval.
        mark: Signs that the table's notes explain.
        best: Whether it is the best of those that it may be compared with.
        value: The entry as a number; None where there is none.
        spread: Population standard deviation over the runs.
        low: Lower end of the 95 % interval; None where there is none.
        high: Upper end of it.
        count: Number of runs or tasks that the value is a mean of.
        complete: Whether these are all that there should be.
    """

    text: str
    detail: str = ""
    mark: str = ""
    best: bool = False
    value: float | None = None
    spread: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    complete: bool = False


#: Where there is no entry.
NOTHING = Cell(text="–")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A titled grid of cells.

    Attributes:
        title: What the table is about.
        subtitle: What the cells are.
        caution: What no reader may overlook, in any format.
        axes: What a row is and what a column is; the latter is empty for a mere list.
        rows: Row names, those aside last.
        columns: Column names, those aside last.
        cells: One tuple a row.
        notes: Remarks below the table.
        shared: What its runs have in common, pairs of a name of :data:`SHARED` and a value.
    """

    title: str
    subtitle: str = ""
    caution: str = ""
    axes: tuple[str, str]
    rows: tuple[Header, ...]
    columns: tuple[Header, ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    shared: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of_columns(cls, columns: Mapping[Header, Mapping[Header, Cell]], **words: Any) -> Table:
        """A table of columns of cells by row; a dash stands where a column has none."""
        rows = tuple(dict.fromkeys(row for cells in columns.values() for row in cells))
        cells = (tuple(column.get(row, NOTHING) for column in columns.values()) for row in rows)
        return cls(rows=rows, columns=tuple(columns), cells=tuple(cells), **words)

    @classmethod
    def of_rows(
        cls, columns: Iterable[Header], rows: Iterable[tuple[Header, Iterable[Cell]]], **words: Any
    ) -> Table:
        """A table of rows of cells, one a column."""
        entries = [(row, tuple(cells)) for row, cells in rows]
        return cls(
            rows=tuple(row for row, _ in entries),
            columns=tuple(columns),
            cells=tuple(cells for _, cells in entries),
            **words,
        )

    @classmethod
    def of_words(
        cls, heads: Sequence[str], rows: Iterable[Sequence[object]], **words: Any
    ) -> Table:
        """A list of words, whose first column names the row."""
        entries = (
            (Header(str(name)), [Cell(text=str(each)) for each in rest]) for name, *rest in rows
        )
        return cls.of_rows(map(Header, heads[1:]), entries, axes=(heads[0], ""), **words)

    @property
    def is_list(self) -> bool:
        """Whether rows are entries of a list, and columns are not of one kind."""
        return not self.axes[1]

    def only(self, names: Collection[str]) -> Table:
        """The table with the columns of these names alone, in its own order."""
        return self.picked([at for at, each in enumerate(self.columns) if each.text in names])

    def picked(self, places: Sequence[int]) -> Table:
        """The table with the columns at these places, in this order."""
        columns = tuple(self.columns[place] for place in places)
        cells = tuple(tuple(row[place] for place in places) for row in self.cells)
        return replace(self, columns=columns, cells=cells)

    def transposed(self) -> Table:
        """The same table with rows and columns exchanged."""
        cells = tuple(zip(*self.cells, strict=True))
        return replace(
            self, axes=self.axes[::-1], rows=self.columns, columns=self.rows, cells=cells
        )
