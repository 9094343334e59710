"""Kinds of records: reading, writing, and finding them in results folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from crossbench.errors import RecordError, RequestError
from crossbench.files.atomic import place
from crossbench.results.records.folders import json_files
from crossbench.results.records.reading import as_spec, read_mapping
from crossbench.results.records.writing import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


class Found(NamedTuple, Generic[T]):
    """A valid record and the file it was read from."""

    path: Path
    record: T


class Broken(NamedTuple):
    """A file that is no valid record, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class RecordKind(Generic[T]):
    """Records of one kind, one JSON file each.

    Attributes:
        name: What a file should be, for messages.
        ending: How the names of the files end.
        spec: The dataclass that is the schema.
        version: The schema version that is read and written.
    """

    name: str
    ending: str
    spec: type[T]
    version: int

    def read(self, path: Path) -> T:
        """Read one record strictly.

        Raises:
            RecordError: If the file is not a whole record of this schema version.
        """
        return as_spec(path, self.spec, read_mapping(path, (self.version,), what=self.name))

    def write(self, path: Path, record: T) -> None:
        """Write a record atomically.

        Raises:
            RecordError: If it holds NaN or what JSON has no form for, or the folder cannot be
                written.
        """
        text = to_json(record, what=f"{self.name} {path.name}")
        try:
            place(path, text)
        except OSError as error:
            raise RecordError(f"{path}: cannot be written: {error}") from error

    def find(self, folders: Sequence[Path | str]) -> tuple[list[Found[T]], list[Broken]]:
        """Valid records below several folders, possibly none, and broken files.

        Raises:
            RequestError: If a folder does not exist.
        """
        return find_files(folders, self.ending, self.read)


def find_files(
    folders: Sequence[Path | str], ending: str, read: Callable[[Path], T]
) -> tuple[list[Found[T]], list[Broken]]:
    """What is read from the files of an ending below several folders, and broken ones.

    Args:
        folders: Each is searched once.
        ending: How the names of the files end.
        read: Reads one; RecordError names what is broken.

    Raises:
        RequestError: If a folder does not exist.
    """
    found: list[Found[T]] = []
    broken: list[Broken] = []
    for folder in dict.fromkeys(map(Path, folders)):
        check_folder(folder)
        for path in json_files(folder):
            if path.name.endswith(ending):
                try:
                    found.append(Found(path, read(path)))
                except RecordError as error:
                    broken.append(broken_file(path, error))
    return found, broken


def broken_file(path: Path, error: RecordError) -> Broken:
    """A file with what is wrong of it, its name not said twice."""
    return Broken(path, str(error).removeprefix(f"{path}: "))


def check_folder(folder: Path) -> None:
    """Raise RequestError if a results folder does not exist."""
    if not folder.is_dir():
        raise RequestError(f"results folder {str(folder)!r} does not exist")
