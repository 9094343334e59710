"""Tables of text: CSV and its kin, by column."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TABLE_SUFFIXES = (".csv", ".tsv")

_LARGEST = 1 << 28  # bytes of a table
_DELIMITERS = ",;\t|"
_EMPTY = frozenset({"nan", "<na>", "n/a", "null"})  # what programs write for no value


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as text.

    Attributes:
        file: Where it is from.
        columns: Cells by the name of the column, white space around them removed; empty where
            there is no value. Of columns of one name, the first.
        comma: Whether numbers may have a decimal comma, since columns are not parted by one.
    """

    file: Path
    columns: dict[str, tuple[str, ...]]
    comma: bool = False

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def has(self, *names: str) -> bool:
        """Whether there are columns of these names."""
        return all(name in self.columns for name in names)


def read_table(file: Path, *, distinct: bool = False) -> Table:
    """A table whose first row names its columns; they are parted by comma, semicolon, tab or bar.

    Args:
        file: The table.
        distinct: Whether columns of one name are refused.

    Raises:
        DataError: If it is damaged, or rows have other numbers of cells.
    """
    try:
        if file.stat().st_size > _LARGEST:
            raise DataError(f"{file}: a table of more than {_LARGEST} bytes; is it one?")
        text = _decoded(file.read_bytes())
        head = text.partition("\n")[0]
        delimiter = max(_DELIMITERS, key=head.count)
        lines = csv.reader(text.splitlines(keepends=True), delimiter=delimiter)
        rows = [row for row in lines if any(row)]
    except (OSError, csv.Error) as error:
        raise DataError(f"{file}: cannot be read as a table ({error}); save it anew") from error
    if len(rows) < 2:
        raise DataError(f"{file}: a table needs a row of column names and rows below it")
    names = tuple(name.strip() for name in rows[0])
    wrong = next((place for place, row in enumerate(rows) if len(row) != len(names)), None)
    if wrong is not None:
        msg = f"{file}: row {wrong + 1} has {len(rows[wrong])} cells, the first {len(names)}"
        raise DataError(f"{msg}; put cells that hold {delimiter!r} in quotes")
    if distinct and len(set(names)) != len(names):
        raise DataError(f"{file}: a column is named twice ({', '.join(names)}); rename one")
    columns: dict[str, tuple[str, ...]] = {}
    for name, cells in zip(names, zip(*rows[1:], strict=True), strict=True):
        columns.setdefault(name, tuple(map(_cell, cells)))
    return Table(file=file, columns=columns, comma=delimiter != ",")


def _cell(text: str) -> str:
    text = text.strip()
    return "" if text.casefold() in _EMPTY else text


def _decoded(content: bytes) -> str:
    """Text of a table: UTF-8 or UTF-16 with a mark, else as Windows of the West writes it."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def read_tables(places: Iterable[Path]) -> tuple[Table, ...]:
    """The tables that files and folders hold; folders are not searched below.

    Raises:
        MissingDataError: If a file or folder is not there, or a folder has no table.
        DataError: If a file is no table; the message names it and the row.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            held = sorted(each for each in place.iterdir() if each.suffix.lower() in TABLE_SUFFIXES)
            if not held:
                raise MissingDataError(f"{place}: no .csv or .tsv file in it; put the tables there")
            files += held
        elif place.is_file():
            files.append(place)
        else:
            raise MissingDataError(f"{place}: no such file; correct the path given to --from")
    return tuple(read_table(file, distinct=True) for file in files)
