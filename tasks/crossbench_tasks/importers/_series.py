"""Time series of brain regions as text: a column a region, a row a volume, or the other way round.

TSV, CSV and AFNI's 1D, with or without a row of names, which may begin with ``#``.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.inputs import kind_of
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

_LARGEST = 1 << 28  # bytes of a file; 400 regions over 1,200 volumes have 10 million
_LONGEST_LINE = 1 << 20  # characters
_UNKNOWN = ("", "n/a", "N/A", "NA", "nan", "NaN")


@dataclass(frozen=True, kw_only=True)
class _Head:
    """What the beginning of a file says of the rest.

    Attributes:
        separator: What parts cells; None for any white space.
        names: Name of each column, its number from 1 where the file names none.
        lines: Lines before the first volume.
        regions: Which columns are regions: not those that are dropped, nor a column of row numbers.
    """

    separator: str | None
    names: tuple[str, ...]
    lines: int
    regions: tuple[int, ...]


def read_series(
    file: Path, *, drop: Sequence[str] = (), rows: str = "volumes"
) -> NDArray[np.float32]:
    """Time series (R, T) of a file.

    Args:
        file: The file.
        drop: Names of columns that are no regions.
        rows: Whether rows are ``volumes`` or ``regions``, of which no name is known then.

    Raises:
        DataError: If it is damaged, lacks a column that is to be dropped, or has values that are no
            finite numbers; the message names the first region that has.
    """
    import pandas as pd

    head = _read_head(file, drop)
    try:
        table = pd.read_csv(
            file,
            sep=head.separator or r"\s+",
            header=None,
            skiprows=head.lines,
            names=range(len(head.names)),
            index_col=False,
            dtype=np.float64,
            na_values=list(_UNKNOWN),
        )
    except Exception as error:  # readers of tables raise what they like
        msg = f"{file}: cannot be read as time series ({str(error) or type(error).__name__})"
        raise DataError(f"{msg}; it must be numbers, a column a region; get it again") from error
    values = table.to_numpy()[:, head.regions]
    series = values.T if rows == "volumes" else values
    finite = np.isfinite(series)
    if not finite.all():
        region = int(np.argmin(finite.all(axis=1)))
        name = head.names[head.regions[region]] if rows == "volumes" else str(region + 1)
        msg = f"{file}: region {name!r} has {int((~finite[region]).sum())} values that are no"
        raise DataError(f"{msg} numbers; leave the recording out (option exclude), or mend it")
    return series.astype(np.float32)


def check_series(series: NDArray[Any], card: TaskCard, *, where: Path) -> None:
    """Refuse a recording (R, T) that the card's kind would refuse, naming its file.

    Raises:
        DataError: If it is shorter than the card's window, or of another number of regions than the
            card has coordinates.
    """
    kind_of(card).canonical({"images": series[None]}, where=str(where), least=1)


def check_regions(folder: Path, files: Iterable[str], drop: Sequence[str]) -> None:
    """Refuse files whose regions are not those of the first, as far as names and numbers tell.

    Raises:
        DataError: Naming both files, and the first region that differs.
    """
    first = ""
    expected: tuple[str, ...] = ()
    for name in files:
        head = _read_head(folder / name, drop)
        found = tuple(head.names[column] for column in head.regions)
        if not first:
            first, expected = name, found
        if found == expected:
            continue
        msg = f"{folder / name}: has {len(found)} regions, {first} {len(expected)}"
        if len(found) == len(expected):
            place = next(at for at, region in enumerate(found) if region != expected[at])
            msg = f"{folder / name}: region {place + 1} is {found[place]!r}, in {first}"
            msg = f"{msg} {expected[place]!r}"
        raise DataError(f"{msg}; parcellate all recordings by one atlas, in one order")


def _read_head(file: Path, drop: Sequence[str]) -> _Head:
    try:
        if file.stat().st_size > _LARGEST:
            raise DataError(f"{file}: has more than {_LARGEST} bytes; is it a recording?")
        with file.open(encoding="utf-8-sig", errors="replace") as stream:
            lines = list(itertools.islice(_leading(stream), _LARGEST))
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); get it again") from error
    *above, (line, first) = lines or [("", 0)]
    if not line:
        raise DataError(f"{file}: is empty; get it again, or leave the recording out")
    separator = next((sign for sign in "\t,;" if sign in line), None)
    cells = _cells(line, separator)
    titles = [_cells(text, separator) for text, _ in above[-1:]]
    names = next((each for each in titles if len(each) == len(cells)), None)
    named = names is None and _are_names(cells)
    names = names or (cells if named else [str(place + 1) for place in range(len(cells))])
    lacking = [name for name in drop if name not in names]
    if lacking:
        msg = f"{file}: no column {', '.join(map(repr, lacking))} to be left out; it has"
        raise DataError(f"{msg} {', '.join(map(repr, names[:5]))}, ...")
    numbered = not names[0]  # as pandas writes an index
    regions = [
        place for place, name in enumerate(names) if name not in drop and (place or not numbered)
    ]
    return _Head(
        separator=separator, names=tuple(names), lines=first + named, regions=tuple(regions)
    )


def _leading(stream: Iterator[str]) -> Iterator[tuple[str, int]]:
    """Lines that begin with ``#`` and the first that does not, each with its number."""
    for number, line in enumerate(stream):
        text = line[:_LONGEST_LINE].rstrip("\r\n")
        if text.strip():
            yield text, number
            if not text.startswith("#"):
                return


def _cells(line: str, separator: str | None) -> list[str]:
    return [cell.strip(' "').lstrip("#").strip() for cell in line.split(separator)]


def _are_names(cells: list[str]) -> bool:
    """Whether the first row names columns: by words, or by counting them."""
    try:
        for cell in cells:
            float("nan" if cell in _UNKNOWN[1:] else cell)
    except ValueError:
        return True
    return cells in [[str(place + first) for place in range(len(cells))] for first in (0, 1)]
