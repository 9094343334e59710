"""What a site shows: the board's submissions, its records as boards, and where each page lies."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import pandas as pd

from crossbench.files.hashing import hash_json
from crossbench.hosting.unpacked import unpacked_records
from crossbench.registry.tasks import registered_task
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.tables import ranked
from crossbench.results.boards.titles import headings
from crossbench.results.records.folders import file_name
from crossbench.results.records.frame import to_frame
from crossbench.results.records.store import read_folders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crossbench.hosting.folder import HostedBoard
    from crossbench.hosting.submission import Submission
    from crossbench.results.boards.board import Board
    from crossbench.results.boards.standings import Standing
    from crossbench.specs import RunRecord, TaskCard


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A board of comparable runs, and where the site shows it.

    Attributes:
        board: The runs.
        heading: What it compares, in words; no two of a site are equal.
        name: What its page and pictures are called.
        rows: Its standings.
    """

    board: Board
    heading: str
    name: str
    rows: tuple[Standing, ...] = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Content:
    """All that a site is made of.

    Attributes:
        hosted: The folder of bundles.
        records: The records that count, by file.
        frame: The same as a table.
    """

    hosted: HostedBoard
    records: dict[str, RunRecord] = field(repr=False)
    frame: pd.DataFrame = field(repr=False)

    @cached_property
    def boards(self) -> tuple[Shown, ...]:
        """The boards, that with the most methods, tasks and runs first."""
        boards = split_boards(self.frame)
        shown = [
            Shown(board=board, heading=words, name=slug(words), rows=tuple(ranked(board)))
            for board, words in zip(boards, headings(boards), strict=True)
            if board.methods
        ]
        return tuple(sorted(shown, key=lambda each: _coverage(each.board), reverse=True))

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """The methods that have a page: all that were ever submitted."""
        return tuple(sorted({each.method for each in self.hosted.submissions}))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a page."""
        return tuple(sorted(self.frame["task"].unique())) if len(self.frame) else ()

    def submissions_of(self, method: str) -> list[Submission]:
        """Submissions of a method, the latest first."""
        return [each for each in reversed(self.hosted.submissions) if each.method == method]

    def boards_of(self, column: str, name: str) -> list[Shown]:
        """The boards with runs of a method or task."""
        return [each for each in self.boards if (each.board.runs[column] == name).any()]

    def links(self, root: str = "") -> dict[str, str]:
        """Addresses of methods and tasks by the names that tables have for them."""
        found = {}
        for shown in self.boards:
            runs = shown.board.runs
            for method, row in _pairs(runs, "method", "row"):
                if method in self.methods:
                    found[row] = method_address(method, root)
            for task, column in _pairs(runs, "task", "column"):
                found[column] = task_address(task, root)
        return found

    def record_of(self, method: str) -> RunRecord | None:
        """The latest record of a method that counts."""
        own = [each for each in self.records.values() if each.key.method == method]
        return max(own, key=lambda each: str(each.provenance.get("started", "")), default=None)

    def card_of(self, task: str) -> TaskCard | None:
        """The card of a task, where one is installed here."""
        return registered_task(task)


def read_content(hosted: HostedBoard) -> Content:
    """Read what a site shows.

    Raises:
        CrossbenchError: If a bundle or record is damaged.
    """
    if not hosted.in_force:
        return Content(hosted=hosted, records={}, frame=pd.DataFrame())
    folder = unpacked_records(hosted.in_force)
    found, _ = read_folders([folder])
    named = [(path.relative_to(folder), record) for path, record in found]
    records = {path.as_posix(): record for path, record in named}
    return Content(hosted=hosted, records=records, frame=to_frame(named))


def slug(name: str) -> str:
    """A file name for any name, which no other name has, on any file system."""
    plain = file_name(name)
    if plain == name and name == name.lower():
        return name
    return f"{plain.lower()}-{hash_json(name)[:8]}"


def method_address(method: str, root: str = "") -> str:
    """Where a method's page lies."""
    return f"{root}methods/{slug(method)}.html"


def task_address(task: str, root: str = "") -> str:
    """Where a task's page lies."""
    return f"{root}tasks/{slug(task)}.html"


def board_address(shown: Shown, root: str = "") -> str:
    """Where the page of a board lies."""
    return f"{root}boards/{shown.name}.html"


def bundle_address(submission: Submission, root: str = "") -> str:
    """Where a submission's bundle lies."""
    return f"{root}bundles/{submission.id}.zip"


def _coverage(board: Board) -> tuple[bool, int, int, int]:
    """How much a board covers; phantoms count after everything else."""
    return board.source != "phantom", len(board.methods), len(board.tasks), len(board.runs)


def _pairs(runs: pd.DataFrame, first: str, second: str) -> Iterable[tuple[str, str]]:
    return runs[[first, second]].drop_duplicates().itertuples(index=False, name=None)
