"""Tables of identifiers: CSV files with a header, as text."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.errors import DataError, MissingDataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LARGEST = 1 << 28  # bytes
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
    if file.stat().st_size > _LARGEST:
        raise DataError(f"{file}: larger than {_LARGEST >> 20} MiB, so no table of identifiers")
    try:
        text = file.read_text(encoding="utf-8-sig")
        tabbed = file.suffix.lower() == ".tsv"
        rows = list(csv.reader(text.splitlines(), delimiter="\t" if tabbed else ",", strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: not a CSV file in UTF-8 ({error}); export it again") from error
    rows = [[cell.strip() for cell in row] for row in rows if any(map(str.strip, row))]
    if len(rows) < 2:
        raise DataError(f"{file}: no header with rows below it; export the table again")
    header, *body = rows
    if len(set(header)) != len(header):
        raise DataError(f"{file}: a column is named twice ({', '.join(header)}); rename one")
    for number, row in enumerate(body, start=2):
        if len(row) != len(header):
            msg = f"{file}: row {number} has {len(row)} cells, the header {len(header)}"
            raise DataError(f"{msg}; export the table again")
    columns = zip(*body, strict=True)
    return Table(file=file, columns=dict(zip(header, columns, strict=True)))
