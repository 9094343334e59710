"""Tables of identifiers by column, of files and folders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.data.new.tables import read_table
from crossbench.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TABLES = (".csv", ".tsv")


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table whose cells are text without white space around it.

    Attributes:
        file: The file.
        columns: Cells by the name of the column, all of one length.
    """

    file: Path
    columns: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def has(self, *names: str) -> bool:
        """Whether there are columns of these names."""
        return all(name in self.columns for name in names)


def read_tables(places: Iterable[Path]) -> tuple[Table, ...]:
    """The tables that files and folders hold; folders are not searched below.

    Raises:
        MissingDataError: If a file or folder is not there, or a folder has no table.
        DataError: If a file is no table; the message names it and the row.
    """
    files: list[Path] = []
    for place in places:
        if place.is_dir():
            held = sorted(each for each in place.iterdir() if each.suffix.lower() in _TABLES)
            if not held:
                raise MissingDataError(f"{place}: no .csv or .tsv file in it; put the tables there")
            files += held
        elif place.is_file():
            files.append(place)
        else:
            raise MissingDataError(f"{place}: no such file; correct the path given to --from")
    return tuple(map(_read, files))


def _read(file: Path) -> Table:
    table = read_table(file)
    names = table.columns
    if len(set(names)) != len(names):
        raise DataError(f"{file}: a column is named twice ({', '.join(names)}); rename one")
    return Table(file=file, columns={name: tuple(table.column(name)) for name in names})
