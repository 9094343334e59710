"""MedMNIST's index: which original each sample of a set was made of."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbench.data.groups.interface import Grouped, Grouping
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.data.formats.tables import Table
    from crossbench.data.groups.interface import Samples
    from crossbench.specs import TaskCard

#: Where the index of each set lies; a program may not fetch from there.
INDEX = "https://drive.google.com/drive/folders/1A_99qH_c-J0p_SatwSiaP_i1CvLUOzVo"

_FILE = re.compile(r"([a-z]+mnist(?:3d)?)(?:_\d+)?\.npz")
_COLUMNS = ("split", "index", "image_id")
_PARTS = {"train": 0, "val": 1, "validation": 1, "test": 2}


@dataclass(frozen=True)
class _Style:
    """One way in which originals are named.

    Attributes:
        pattern: Of a whole name; its groups, joined by "-", are the group.
        example: A name.
        note: What is inferred; empty where the publisher says so.
    """

    pattern: re.Pattern[str]
    example: str
    note: str = ""


def _scans(view: str) -> tuple[_Style, ...]:
    """LiTS: source split, scan, organ 1 to 11, view, slice."""
    pattern = rf"(train|val|test)-(\d+)-(?:[1-9]|1[01])-{view}-\d+(?:\.\w+)?"
    note = "that the first two fields are source split and scan is inferred"
    return (_Style(re.compile(pattern), f"train-112-8-{view}-028", note),)


_STYLES: dict[str, tuple[_Style, ...]] = {
    "organamnist": _scans("axial"),
    "organcmnist": _scans("coronal"),
    "organsmnist": _scans("sagittal"),
    "fracturemnist3d": (
        _Style(
            re.compile(r"(RibFrac\d+)(?:[-_][\w-]+)?(?:\.nii(?:\.gz)?|\.\w+)?"),
            "RibFrac421-3",
            "that names begin with RibFrac's scan is inferred",
        ),
    ),
    "pneumoniamnist": (
        _Style(
            re.compile(r"(?:BACTERIA|VIRUS|NORMAL)-(\d+)-\d+(?:\.jpe?g)?"),
            "BACTERIA-1008087-0001.jpeg",
        ),
        _Style(
            re.compile(r"(person\d+)_(?:bacteria|virus)_\d+(?:\.jpe?g)?|(?:NORMAL2-)?(IM-\d+)-"
                       r"\d+(?:-\d+)?(?:\.jpe?g)?"),
            "person123_bacteria_4.jpeg",
            "one number is taken as one person, whatever folder or class it is in",
        ),
    ),
    "vesselmnist3d": (
        _Style(
            re.compile(r"(?:ArteryObj)?(AN\d+)(?:[-_][\w-]*)?(?:\.\w+)?"),
            "ArteryObjAN1-0.obj",
            "that a number is one of the 103 models, in both names of IntrA, is inferred",
        ),
    ),
}  # fmt: skip


class MedmnistIndex(Grouping):
    """``<flag>.csv`` with split, index and image_id, of sets whose originals name their group."""

    name = "medmnist-index"

    def applies(self, card: TaskCard) -> bool:
        """Whether the card's file is one of these sets, in any size."""
        return flag_of(card) in _STYLES

    def steps(self, card: TaskCard) -> tuple[str, ...]:
        """Where the index is."""
        flag = flag_of(card)
        place = f"Open {INDEX} in a browser (a program may not fetch from there) and download"
        index = f"{place} {flag}.csv, whose columns are split, index, image_id."
        return index, f"crossbench data groups {card.name} --from {flag}.csv"

    def wants(self, tables: Sequence[Table]) -> bool:
        """Whether one table has the index's columns."""
        return len(tables) == 1 and tables[0].has(*_COLUMNS)

    def of_tables(self, card: TaskCard, samples: Samples, tables: Sequence[Table]) -> Grouped:
        """Groups by the names of the originals."""
        table = tables[0]
        names = original_names(table, samples)
        styles = _STYLES[flag_of(card)]
        style = next((each for each in styles if each.pattern.fullmatch(names[0])), styles[0])
        groups = tuple(_group(style, name, table, card) for name in names)
        notes = (style.note,) if style.note else ()
        return Grouped(groups=groups, source=f"{table.file.name}, MedMNIST's index", notes=notes)


def flag_of(card: TaskCard) -> str:
    """MedMNIST's name of a card's set; empty for other files."""
    match = _FILE.fullmatch(card.source.file)
    return match[1] if match else ""


def original_names(table: Table, samples: Samples) -> tuple[str, ...]:
    """The original of each sample, in the order of the data file.

    Raises:
        DataError: If the file has no official split, or the index is not of the same samples.
    """
    if samples.official is None:
        msg = f"{samples.file}: no official split, by which {table.file.name} counts its samples;"
        raise DataError(f"{msg} use MedMNIST's own file, or a CSV file with index and group")
    rows = zip(*(table.columns[name] for name in _COLUMNS), strict=True)
    known: dict[tuple[int, int], str] = {}
    for number, (split, index, name) in enumerate(rows, start=2):
        part = _PARTS.get(split.casefold())
        if part is None or not (index.isascii() and index.isdigit()):
            msg = f"{table.file}: row {number} has split {split!r} and index {index!r}; needed are"
            raise DataError(f"{msg} train, val or test and a whole number")
        if (part, int(index)) in known:
            raise DataError(f"{table.file}: row {number}: {split} {index} is there twice")
        known[part, int(index)] = name
    wanted = [
        (part, place)
        for part in range(3)
        for place in range(int(np.count_nonzero(samples.official == part)))
    ]
    if set(wanted) != known.keys():
        counts = [sum(part == each for part, _ in known) for each in range(3)]
        sizes = [sum(part == each for part, _ in wanted) for each in range(3)]
        msg = f"{table.file}: {counts} rows of train, val and test for {sizes} samples of"
        raise DataError(f"{msg} {samples.file}; take the index of this set")
    order = np.argsort(samples.official, kind="stable")
    names = np.empty(samples.count, object)
    names[order] = [known[key] for key in wanted]
    return tuple(names.tolist())


def _group(style: _Style, name: str, table: Table, card: TaskCard) -> str:
    match = style.pattern.fullmatch(name)
    if match is None:
        known = " or ".join(each.example for each in _STYLES[flag_of(card)])
        msg = f"{table.file}: image_id {name!r} is not named as {style.example} is (known:"
        msg = f"{msg} {known}); nothing is guessed: give a CSV file with index and group instead"
        raise DataError(msg)
    return "-".join(part for part in match.groups() if part)
