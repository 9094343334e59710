"""The folder of a hosted board: its title, its submissions, and the results of those in force.

::

    DIR/board.toml            title and description
    DIR/log.json              what was accepted and removed, in this order
    DIR/submissions/ID.zip    the bundles, as they came

The log says which bundles there are; a file that it does not name is none of the board's. Nothing
here imports torch, or a module that comes in a bundle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from crossbench.bundles.bundle import open_bundle, read_manifest, read_member
from crossbench.bundles.conformance import parsed_report
from crossbench.bundles.manifest import CONFORMANCE
from crossbench.errors import BundleError, RequestError
from crossbench.files.hashing import hash_file
from crossbench.hosting.log import LOG
from crossbench.specs.reader import from_mapping
from crossbench.specs.toml import read_toml

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from crossbench.bundles.bundle import Bundle
    from crossbench.bundles.manifest import Manifest
    from crossbench.hosting.log import Entry, Log
    from crossbench.specs.conformance import ConformanceReport

State: TypeAlias = Literal["in force", "superseded", "removed"]

SETTINGS = "board.toml"
SUBMISSIONS = "submissions"


@dataclass(frozen=True, kw_only=True)
class BoardSettings:
    """What ``board.toml`` says.

    Attributes:
        title: The board's name.
        description: What it is and how to submit to it; paragraphs apart by empty lines.
        contact: Address of a page or of a person, for those who want to submit.
    """

    title: str
    description: str = ""
    contact: str = ""


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A bundle that was accepted, and what has become of it.

    Attributes:
        entry: Its line in the log.
        bundle: The zip file.
        successor: The line of that which superseded it; None for none.
    """

    entry: Entry
    bundle: Path
    successor: Entry | None = None

    @property
    def id(self) -> str:
        """Its name on the board."""
        return self.entry.id

    @property
    def method(self) -> str:
        """Name of the method, with its hyperparameters."""
        return self.entry.method

    @property
    def date(self) -> str:
        """The day on which it was accepted."""
        return self.entry.added[:10]

    @property
    def state(self) -> State:
        """``in force``; ``superseded`` by a later one of the same method and grid; ``removed``."""
        return "removed" if self.entry.removed else "superseded" if self.successor else "in force"

    @property
    def fate(self) -> str:
        """Its state in words: by what it was superseded and when, or why it was removed."""
        if self.successor:
            return f"superseded on {self.successor.added[:10]} by {self.successor.id}"
        if self.state == "removed":
            return f"removed on {self.entry.removed[:10]}: {self.entry.reason}"
        return self.state

    @cached_property
    def manifest(self) -> Manifest:
        """What the bundle holds and who vouches for it.

        Raises:
            BundleError: If the file is not the one that was accepted.
        """
        self.check()
        return read_manifest(self.bundle)

    @property
    def authors(self) -> tuple[str, ...]:
        """Who submitted it."""
        return self.manifest.authors

    @cached_property
    def conformance(self) -> ConformanceReport | None:
        """What ``crossbench check-method`` found; None where the bundle does not say.

        Raises:
            BundleError: If the report cannot be read.
        """
        if CONFORMANCE not in self.manifest.paths:
            return None
        content = read_member(self.bundle, CONFORMANCE)
        return parsed_report(content, where=f"{self.bundle}: {CONFORMANCE}")

    def open(self) -> AbstractContextManager[Bundle]:
        """The bundle, unpacked while the block lasts."""
        self.check()
        return open_bundle(self.bundle)

    def check(self) -> None:
        """Raise BundleError if the file is not the one that was accepted."""
        if not self.bundle.is_file():
            fault = "is missing"
        elif hash_file(self.bundle) != self.entry.sha256:
            fault = "is not the file that was accepted"
        else:
            return
        raise BundleError(f"{self.bundle} {fault}; restore it, or remove {self.id} from the board")


@dataclass(frozen=True, kw_only=True)
class HostedBoard:
    """A folder of accepted bundles.

    Attributes:
        folder: Where it lies.
        settings: Title and description.
        submissions: All that were accepted, in the order in which they came.
    """

    folder: Path
    settings: BoardSettings
    submissions: tuple[Submission, ...] = field(repr=False)

    @property
    def in_force(self) -> tuple[Submission, ...]:
        """The submissions whose results count."""
        return tuple(each for each in self.submissions if each.state == "in force")

    def find(self, name: str) -> Submission | None:
        """The submission of this id, or None."""
        return next((each for each in self.submissions if each.id == name), None)


def is_board(folder: Path | str) -> bool:
    """Whether a folder is a hosted board's."""
    return (Path(folder) / SETTINGS).is_file()


def open_board(folder: Path | str) -> HostedBoard:
    """Read a hosted board; its bundles are opened when they are asked for.

    Raises:
        RequestError: If the folder is no board's.
        CardError: If ``board.toml`` is malformed.
        RecordError: If ``log.json`` is damaged.
    """
    folder = Path(folder)
    if not is_board(folder):
        msg = f"{str(folder)!r} is no board: it holds no {SETTINGS}"
        raise RequestError(f"{msg}; `crossbench board new DIR --title TITLE` makes one")
    file = folder / SETTINGS
    settings = from_mapping(BoardSettings, read_toml(file), where=str(file))
    log = LOG.read(folder / LOG.ending)
    return HostedBoard(folder=folder, settings=settings, submissions=_submissions(folder, log))


def bundle_file(folder: Path, name: str) -> Path:
    """Where the bundle of a submission lies."""
    return folder / SUBMISSIONS / f"{name}.zip"


def results_folders(folder: Path | str) -> list[Path]:
    """Results folders with the records of the submissions in force; none where there are none.

    The bundles are unpacked into the cache.

    Raises:
        CrossbenchError: If the folder is no board's, or a bundle is not the one that was accepted.
    """
    from crossbench.hosting.unpacked import unpacked_records

    board = open_board(folder)
    return [unpacked_records(board.in_force)] if board.in_force else []


def _submissions(folder: Path, log: Log) -> tuple[Submission, ...]:
    """The log's entries: of one method and grid, the last that is not removed supersedes others."""
    latest = {each.subject: each for each in log.submissions if not each.removed}
    return tuple(
        Submission(
            entry=entry,
            bundle=bundle_file(folder, entry.id),
            successor=None if entry.removed else _other(latest[entry.subject], entry),
        )
        for entry in log.submissions
    )


def _other(latest: Entry, entry: Entry) -> Entry | None:
    return None if latest.id == entry.id else latest
