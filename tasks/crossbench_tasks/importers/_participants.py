"""A table of participants: who they are, their labels, sites and covariates, and their files."""

from __future__ import annotations

import fnmatch
import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from crossbench.data.formats.tables import read_table
from crossbench.data.importers.options import words
from crossbench.errors import DataError, RequestError
from crossbench_tasks.importers._files import find, walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from crossbench.data.formats.tables import Table
    from crossbench.specs.origins import Option

_CONFOUNDS = "desc-confounds"  # in the names of fMRIPrep's tables, which are no recordings
_SHOWN = 3  # names in a message


@dataclass(frozen=True, kw_only=True)
class Participants:
    """The rows of a table, read by an importer's options.

    Attributes:
        table: The table.
        options: ``id``, ``label``, ``classes``, ``group``, ``site`` and ``covariates``.
        classes: Those of the card.
    """

    table: Table
    options: Mapping[str, Option]
    classes: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The participants' names, row by row."""
        return self._column(str(self.options["id"]), "id")

    @cached_property
    def labels(self) -> tuple[int | None, ...]:
        """The class of each row; None where the table says none.

        Raises:
            DataError: If no row has one, or one is none of the classes.
            RequestError: If the option ``classes`` has another number than the card.
        """
        column = str(self.options["label"])
        cells = self._column(column, "label")
        values = words(self.options, "classes") or self.classes
        if len(values) != len(self.classes):
            msg = f"option classes is {values}; the card has {len(self.classes)} classes"
            raise RequestError(f"{msg} ({', '.join(self.classes)}): give as many, in this order")
        if not any(cells):
            msg = f"{self.table.file}: column {column!r} is empty in each row; labels are missing:"
            raise DataError(f"{msg} complete the table, or name another column by option label")
        return tuple(self._label(row, cell, values) for row, cell in enumerate(cells))

    def _label(self, row: int, cell: str, values: Sequence[str]) -> int | None:
        label = next((place for place, value in enumerate(values) if _same(cell, value)), None)
        if cell and label is None and self.names[row] not in words(self.options, "exclude"):
            msg = f"{self.table.file}: {self.options['label']!r} of {self.names[row]!r} is {cell!r}"
            msg = f"{msg}; it must be one of {', '.join(values)} (option classes) or empty"
            raise DataError(f"{msg}; leave others out by option exclude")
        return label

    def group(self, row: int) -> str:
        """What a row must not be separated from: the participant, or the cell of its column."""
        column = str(self.options["group"])
        return self._column(column, "group")[row] if column else self.names[row]

    def site(self, row: int) -> str:
        """The cells of the site's columns, joined by a blank; empty where one is."""
        cells = [self._column(name, "site")[row] for name in words(self.options, "site")]
        return " ".join(cells) if all(cells) else ""

    def covariates(self, row: int) -> dict[str, float]:
        """The covariates of a row that are known, by name.

        Raises:
            DataError: If a cell is no number, where that is asked for.
        """
        found = {}
        for each in words(self.options, "covariates"):
            name, _, rest = each.rpartition("=")
            column, _, value = rest.partition(":")
            cell = self._column(column, "covariates")[row]
            if not cell:
                continue
            number = float(_same(cell, value)) if value else _number(cell)
            if not math.isfinite(number):
                msg = f"{self.table.file}: {column!r} of {self.names[row]!r} is {cell!r}, no number"
                raise DataError(
                    f"{msg}; {each}:{cell} would be 1 where it is that, and 0 elsewhere"
                )
            found[name or column] = number
        return found

    def check_once(self, named: Mapping[str, str]) -> None:
        """Refuse several rows of a participant who has a file.

        Raises:
            DataError: Naming the first.
        """
        for name in named:
            if (rows := self.names.count(name)) > 1:
                msg = f"{self.table.file}: participant {name!r} has {rows} rows; keep one of them,"
                raise DataError(f"{msg} or name another column by option id")

    def _column(self, name: str, option: str) -> tuple[str, ...]:
        if not self.table.has(name):
            has = ", ".join(map(repr, list(self.table.columns)[:12]))
            raise DataError(
                f"{self.table.file}: no column {name!r} (option {option}); it has {has}"
            )
        return self.table.columns[name]


def read_participants(
    folder: Path, options: Mapping[str, Option], classes: tuple[str, ...]
) -> Participants:
    """The table of participants: at this path in the folder, or of this name below it.

    Raises:
        DataError: If there is none or are several, or it is damaged.
    """
    name = str(options["table"])
    file = folder / name
    table = read_table(file if file.is_file() else find(folder, name, of="the distribution"))
    return Participants(table=table, options=options, classes=classes)


def match_files(
    folder: Path, pattern: str, names: Sequence[str]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The file of each participant who has one, and files that are nobody's.

    Args:
        folder: Where they lie, in it or below.
        pattern: Their names, or paths where it has a slash, with ``{id}`` for the participant's
            name and ``*`` for anything.
        names: The participants' names.

    Raises:
        DataError: If there is no such file, a participant has several, or all are of others.
    """
    called = {
        path.as_posix(): path.as_posix() if "/" in pattern else path.name
        for path in walk(folder, "")
        if _CONFOUNDS in pattern or _CONFOUNDS not in path.name
    }
    anybody = _expression(pattern, "*")
    called = {path: name for path, name in called.items() if anybody.match(name)}
    if not called:
        shown = pattern.replace("{id}", "*")
        raise DataError(f"{folder}: no file {shown!r} in it or below; correct option files")
    found: dict[str, str] = {}
    for name in dict.fromkeys(filter(None, names)):
        one = _expression(pattern, name.replace("[", "[[]"))
        mine = [path for path, each in called.items() if one.match(each)]
        if len(mine) > 1:
            msg = f"{folder}: participant {name!r} has {len(mine)} files"
            msg = f"{msg} ({', '.join(mine[:_SHOWN])}); narrow option files, now {pattern!r},"
            raise DataError(f"{msg} to one of each, such as one run of one atlas")
        if mine:
            found[name] = mine[0]
    if not found:
        msg = f"{folder}: the table names {', '.join(names[:_SHOWN])} and so on, the files are"
        msg = f"{msg} {', '.join(list(called.values())[:_SHOWN])} and so on: they are of others;"
        raise DataError(f"{msg} get the table of these files, or correct option id or files")
    return found, tuple(path for path in called if path not in found.values())


def _expression(pattern: str, name: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern.replace("{id}", name)))


def _same(cell: str, value: str) -> bool:
    """Whether a cell is a value: as text, or as the same number."""
    return cell == value or (cell != "" and _number(cell) == _number(value))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
