"""The records of several submissions as one results folder in the cache.

Bundles bring the plain baselines of their tasks along, so that the same run of the majority class
may come with several, and on another machine a logistic regression ends in other last digits: of
one run, the record of the submission that came first stands.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from crossbench.files.hashing import hash_json
from crossbench.files.paths import cache_dir
from crossbench.results.records.folders import run_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossbench.hosting.submission import Submission

#: States of boards that are kept unpacked; the least recently used go first.
KEPT = 8


def unpacked_records(submissions: Sequence[Submission]) -> Path:
    """A results folder with the records of these submissions, unpacked where it is not yet there.

    Raises:
        BundleError: If a bundle is damaged, or not the one that was accepted.
    """
    parent = cache_dir() / "boards"
    target = parent / hash_json([each.entry.sha256 for each in submissions])[:32]
    parent.mkdir(parents=True, exist_ok=True)
    with FileLock(parent / ".lock"):
        if not target.is_dir():
            _unpack(submissions, target)
            _forget(parent, keep=target)
    used = time.time_ns()  # finer than the clock of files
    os.utime(target, ns=(used, used))
    return target


def _unpack(submissions: Iterable[Submission], target: Path) -> None:
    """Fill the folder, which is whole or absent."""
    with tempfile.TemporaryDirectory(prefix=".draft-", dir=target.parent) as folder:
        draft = Path(folder) / target.name
        draft.mkdir()
        for each in submissions:
            with each.open() as bundle:
                take_records(bundle.records, draft)
        draft.rename(target)


def take_records(source: Path, target: Path) -> None:
    """Move the records of a results folder into another, but for runs that are there already."""
    for record in run_files(source):
        folder = target / record.parent.relative_to(source)
        if not (folder / record.name).exists():
            folder.mkdir(parents=True, exist_ok=True)
            for file in record.parent.glob(f"{escape(record.stem)}.*"):
                shutil.move(file, folder / file.name)


def _forget(parent: Path, *, keep: Path) -> None:
    """Remove the unpacked states that were not used for longest."""
    states = [each for each in parent.iterdir() if not each.name.startswith(".") and each != keep]
    for state in sorted(states, key=lambda each: each.stat().st_mtime_ns)[: -(KEPT - 1)]:
        with contextlib.suppress(OSError):
            shutil.rmtree(state)
