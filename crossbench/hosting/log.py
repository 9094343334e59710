"""The log of a hosted board: what was accepted, and what was removed and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from crossbench.results.records.kinds import RecordKind

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An accepted bundle.

    Attributes:
        id: Name of its file on the board, without the ending.
        method: Name of the method, with its hyperparameters.
        grid: The grid of runs that it answers: a track, or a preset.
        sha256: Digest of the bundle's file.
        added: When it was accepted, in ISO 8601.
        removed: When it was removed; empty where it was not.
        reason: Why it was removed.
    """

    id: str
    method: str
    grid: str
    sha256: str
    added: str
    removed: str = ""
    reason: str = ""

    @property
    def subject(self) -> tuple[str, str]:
        """What it is a submission of; a later one of the same supersedes it."""
        return self.method, self.grid


@dataclass(frozen=True, kw_only=True)
class Log:
    """The accepted bundles of a board, in the order in which they came.

    What a bundle is now follows from it: nothing is ever taken out.
    """

    submissions: tuple[Entry, ...] = field(default=())
    schema_version: int = SCHEMA_VERSION


LOG = RecordKind("board's log", "log.json", Log, SCHEMA_VERSION)


def now() -> str:
    """The time as it stands in a log: ISO 8601 in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
