"""Finding and reading what a distribution holds, without trusting its names."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from crossbench.errors import DataError
from crossbench.files.paths import is_litter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import pandas as pd

_LARGEST_TABLE = 1 << 26  # bytes; the largest that is published has 600,000


def walk(folder: Path, *endings: str) -> Iterator[Path]:
    """Paths of files below a folder, relative to it and sorted; hidden ones are left alone.

    Raises:
        DataError: If the folder is none.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: is no folder; name the one that the distribution lies in")
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir())
    for path in found:
        if not any(map(is_litter, path.parts)) and path.name.lower().endswith(endings):
            yield path


def find(folder: Path, name: str, *, of: str) -> Path:
    """The one file of a name below a folder.

    Args:
        folder: The distribution's folder.
        name: Name of the file.
        of: What the distribution is called.

    Raises:
        DataError: If there is none, or several.
    """
    found = [path for path in walk(folder, name.lower()) if path.name == name]
    if not found:
        msg = f"{folder}: no file {name!r} in it or below, which {of} comes with"
        raise DataError(f"{msg}; unpack the distribution there, or name its folder by --from")
    if len(found) > 1:
        names = " and ".join(path.as_posix() for path in found[:3])
        raise DataError(f"{folder}: {name!r} is there {len(found)} times ({names}); keep one")
    return folder / found[0]


def read_csv(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A CSV table, every value as text and missing ones empty.

    Raises:
        DataError: If it is damaged, too large for a table, or lacks a column.
    """
    import pandas as pd

    return read_table(
        file,
        columns,
        lambda: pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig"),
    )


def read_xls(file: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The first sheet of an ``.xls`` file.

    Raises:
        DataError: As :func:`read_csv`.
    """
    return read_table(file, columns, lambda: _sheet(file))


def _sheet(file: Path) -> pd.DataFrame:
    """The cells of the first sheet by xlrd, empty ones None; pandas gives up on this reader."""
    import pandas as pd
    import xlrd

    with xlrd.open_workbook(str(file), logfile=io.StringIO(), on_demand=True) as book:
        sheet = book.sheet_by_index(0)
        rows = [sheet.row_values(row) for row in range(sheet.nrows)]
    cells = [[None if cell == "" else cell for cell in row] for row in rows[1:]]
    return pd.DataFrame(cells, columns=rows[0])


def read_table(
    file: Path, columns: Sequence[str], read: Callable[[], pd.DataFrame]
) -> pd.DataFrame:
    """A table as ``read`` gives it, its columns checked; raises as :func:`read_csv`."""
    if not file.is_file() or file.stat().st_size > _LARGEST_TABLE:
        raise DataError(f"{file}: is no table of at most {_LARGEST_TABLE} bytes; get it again")
    try:
        table = read()
    except Exception as error:  # readers of tables raise what they like
        msg = f"{file}: cannot be read as a table ({str(error) or type(error).__name__})"
        raise DataError(f"{msg}; get it again") from error
    lacking = [name for name in columns if name not in table.columns]
    if lacking:
        has = ", ".join(map(repr, table.columns[:12]))
        raise DataError(f"{file}: no column {', '.join(map(repr, lacking))}; it has {has}")
    return table
