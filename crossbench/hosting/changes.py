"""Changes of a hosted board: made anew, a bundle accepted, a submission removed.

A change is made when the new log takes the old one's place: until then the board is as it was, and
what a process that was killed has left behind is none of it.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from filelock import FileLock

from crossbench.errors import BundleError, RecordError, RequestError, unknown_name
from crossbench.files.atomic import replacing
from crossbench.files.hashing import hash_file
from crossbench.hosting.agreement import disagreements
from crossbench.hosting.folder import (
    SETTINGS,
    SUBMISSIONS,
    BoardSettings,
    bundle_file,
    is_board,
    open_board,
)
from crossbench.hosting.log import LOG, Entry, Log, now
from crossbench.hosting.sketches import keep_sketches, kept_sketches, sketched
from crossbench.results.bundles.bundle import check_is_zip, open_bundle, read_manifest
from crossbench.results.records.folders import file_name
from crossbench.specs.reader import to_mapping
from crossbench.specs.toml import to_toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from crossbench.hosting.folder import HostedBoard
    from crossbench.hosting.submission import Submission
    from crossbench.results.bundles.manifest import Manifest
    from crossbench.results.records.sketches import Sketch

_LOCK = ".lock"
_DIGITS = 8


class Added(NamedTuple):
    """What :func:`add_bundle` has done.

    Attributes:
        submission: The bundle on the board.
        superseded: Submissions that it takes the place of.
        was_there: Whether it was in force before, so that nothing was done.
    """

    submission: Submission
    superseded: tuple[Submission, ...] = ()
    was_there: bool = False


class Removed(NamedTuple):
    """What :func:`remove_submission` has done.

    Attributes:
        submissions: What was removed.
        restored: Earlier submissions that are in force again.
    """

    submissions: tuple[Submission, ...]
    restored: tuple[Submission, ...]


def new_board(folder: Path, settings: BoardSettings) -> HostedBoard:
    """Make an empty board; whatever else a folder holds, such as a git repository, is left alone.

    Raises:
        RequestError: If the folder is a board's already, or the title is empty.
    """
    if is_board(folder):
        msg = f"{str(folder)!r} is a board already: {SETTINGS} is there"
        raise RequestError(f"{msg}; edit that file, or name another folder")
    if not settings.title.strip():
        raise RequestError("--title is empty; give the board a name")
    (folder / SUBMISSIONS).mkdir(parents=True, exist_ok=True)
    LOG.write(folder / LOG.ending, Log())
    ignored = folder / ".gitignore"
    if not ignored.exists():
        ignored.write_text(f"/{_LOCK}\n", encoding="utf-8")
    with replacing(folder / SETTINGS) as draft:  # last, for it makes the folder a board
        draft.write_text(to_toml(to_mapping(settings)), encoding="utf-8")
    return open_board(folder)


def add_bundle(
    folder: Path,
    bundle: Path,
    *,
    faults: Callable[[Path], Iterable[object]],
    others_may: bool = False,
    when: str | None = None,
) -> Added:
    """Accept a bundle that holds; an earlier one of the same method and grid is superseded by it.

    A bundle that is in force already is left as it is.

    Args:
        folder: The board.
        bundle: The zip file; a copy of it is what is validated and kept.
        faults: Gives what does not hold of a bundle; nothing where all does.
        others_may: Whether it may supersede a submission of other authors.
        when: The time, as :func:`crossbench.hosting.log.now` writes it; None takes the present.

    Raises:
        BundleError: If the bundle does not hold; the message names each fault.
        RequestError: If the folder is no board's, the bundle was removed or superseded before, or
            it would supersede what has no author in common with it.
        RecordError: If it has other results of a run that the board has.
    """
    check_is_zip(bundle)
    with _locked(folder), tempfile.TemporaryDirectory(prefix="crossbench-board-") as private:
        copy = Path(shutil.copyfile(bundle, Path(private) / "bundle.zip"))
        board, manifest = open_board(folder), read_manifest(copy)
        entry = _entry(manifest, copy, when or now())
        known = board.find(entry.id)
        if known is not None:
            return Added(_still_in_force(known), was_there=True)
        superseded = tuple(each for each in board.in_force if each.entry.subject == entry.subject)
        if not others_may:
            _check_authors(manifest, superseded)
        _check_holds(bundle, list(faults(copy)))
        runs = _agreeing(copy, [each for each in board.in_force if each not in superseded])
        with replacing(bundle_file(folder, entry.id)) as draft:
            shutil.copyfile(copy, draft)
        _append(folder, entry)
        submission = _submission(folder, entry.id)
        keep_sketches(submission, runs)
        return Added(submission, superseded)


def remove_submission(folder: Path, name: str, reason: str, *, when: str | None = None) -> Removed:
    """Take submissions out of the standings; they are kept, and shown as removed.

    Args:
        folder: The board.
        name: The id of one, or the name of a method, of which all are removed then.
        reason: Why, for everyone to read.
        when: As :func:`add_bundle` takes it.

    Raises:
        RequestError: If the reason is empty, or nothing that is not removed has this name.
    """
    if not reason.strip():
        raise RequestError("--reason is empty; say why, for it is shown on the board")
    with _locked(folder):
        before = open_board(folder)
        chosen = {each.id for each in _named(before, name)}
        changed = {"removed": when or now(), "reason": reason.strip()}
        entries = (
            dataclasses.replace(each.entry, **changed) if each.id in chosen else each.entry
            for each in before.submissions
        )
        LOG.write(folder / LOG.ending, Log(submissions=tuple(entries)))
        after = open_board(folder)
        known = {each.id for each in before.in_force}
        return Removed(
            submissions=tuple(each for each in after.submissions if each.id in chosen),
            restored=tuple(each for each in after.in_force if each.id not in known),
        )


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The board, for this process alone."""
    open_board(folder)  # says what is wrong before a lock is left there
    with FileLock(folder / _LOCK):
        yield


def _entry(manifest: Manifest, file: Path, when: str) -> Entry:
    method = manifest.method.name
    return Entry(
        id=f"{file_name(method)}-{manifest.digest[:_DIGITS]}",
        method=method,
        grid=manifest.track or manifest.preset,
        sha256=hash_file(file),
        added=when,
    )


def _append(folder: Path, entry: Entry) -> None:
    file = folder / LOG.ending
    log = LOG.read(file)
    LOG.write(file, dataclasses.replace(log, submissions=(*log.submissions, entry)))


def _submission(folder: Path, name: str) -> Submission:
    """The submission of an id that is on the board."""
    return next(each for each in open_board(folder).submissions if each.id == name)


def _named(board: HostedBoard, name: str) -> list[Submission]:
    """Submissions of this id or method that are not removed."""
    left = [each for each in board.submissions if each.state != "removed"]
    chosen = [each for each in left if name in (each.id, each.method)]
    if not chosen:
        gone = next((each for each in board.submissions if name in (each.id, each.method)), None)
        if gone is not None:
            removed = f"was removed on {gone.entry.removed[:10]}"
            raise RequestError(f"{name!r} {removed}: {gone.entry.reason}")
        raise unknown_name("submission", name, {name for e in left for name in (e.id, e.method)})
    return chosen


# --------------------------------------------------------------------------- refusals


def _still_in_force(known: Submission) -> Submission:
    """A submission that is added once more, where nothing is to be done."""
    if known.state == "removed":
        entry = known.entry
        msg = f"{known.id} was removed on {entry.removed[:10]} ({entry.reason})"
        raise RequestError(f"{msg}; what was removed does not come back, submit it anew")
    if known.state == "superseded":
        msg = f"{known.id} is on the board, {known.fate}"
        raise RequestError(f"{msg}; remove that one to have this in force again")
    return known


def _check_authors(manifest: Manifest, superseded: tuple[Submission, ...]) -> None:
    """Refuse to let strangers take the place of a method."""
    for each in superseded:
        if not set(manifest.authors) & set(each.authors):
            theirs, new = ", ".join(each.authors), ", ".join(manifest.authors)
            msg = f"{each.method!r} was submitted by {theirs}, and this bundle is by {new}"
            raise RequestError(f"{msg}; give the method another name, or allow it by --others-may")


def _check_holds(bundle: Path, faults: Sequence[object]) -> None:
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise BundleError(f"{bundle} does not hold, and was not added:\n{listed}")


def _agreeing(bundle: Path, others: Sequence[Submission]) -> tuple[Sketch, ...]:
    """The bundle's runs; what contradicts the records that would stand beside it is refused."""
    board = [run for each in others for run in kept_sketches(each)]
    with open_bundle(bundle) as opened:
        runs = sketched(opened.records)
    faults = list(disagreements(runs, board))
    if faults:
        listed = "\n".join(f"  {fault}" for fault in faults)
        raise RecordError(f"the bundle contradicts the board, and was not added:\n{listed}")
    return runs
