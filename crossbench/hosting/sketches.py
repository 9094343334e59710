"""Sketches of the accepted bundles' runs, kept beside them so that no bundle is read again.

``submissions/ID.sketch.json`` names the bundle that it is of by its digest; one that is missing,
damaged or of another file is made anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.errors import RecordError
from crossbench.results.records.kinds import Found, RecordKind
from crossbench.results.records.sketches import Sketch, sketch
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.hosting.submission import Submission

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Sketches:
    """The runs of a bundle.

    Attributes:
        bundle: SHA-256 of its file.
        runs: A sketch a valid record.
    """

    bundle: str
    runs: tuple[Sketch, ...]
    schema_version: int = SCHEMA_VERSION


SKETCHES = RecordKind("bundle's sketch", ".sketch.json", Sketches, SCHEMA_VERSION)


def sketched(records: Path) -> tuple[Sketch, ...]:
    """The sketches of the valid records of a results folder."""
    return tuple(sketch(each) for each in Store(records).scan() if isinstance(each, Found))


def kept_sketches(submission: Submission) -> tuple[Sketch, ...]:
    """The sketches beside an accepted bundle; made and kept where they are not there.

    Raises:
        BundleError: If they are to be made, and the bundle is damaged or not the accepted one.
    """
    digest = submission.entry.sha256
    try:
        found = SKETCHES.read(_file(submission))
    except RecordError:
        found = None
    if found is None or found.bundle != digest:
        with submission.open() as bundle:
            found = Sketches(bundle=digest, runs=sketched(bundle.records))
        SKETCHES.write(_file(submission), found)
    return found.runs


def keep_sketches(submission: Submission, runs: tuple[Sketch, ...]) -> None:
    """Keep the sketches of a bundle that was just accepted."""
    SKETCHES.write(_file(submission), Sketches(bundle=submission.entry.sha256, runs=runs))


def _file(submission: Submission) -> Path:
    return submission.bundle.with_name(submission.id + SKETCHES.ending)
