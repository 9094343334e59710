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
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import RequestError
from crossbench.hosting.log import LOG
from crossbench.hosting.submission import Submission
from crossbench.specs.reader import from_mapping
from crossbench.specs.toml import read_toml

if TYPE_CHECKING:
    from crossbench.hosting.log import Entry, Log

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
