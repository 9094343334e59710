"""Build a data file from an original distribution, sample by sample.

Each sample is kept as soon as it is read, so that an import that was stopped resumes, and no more
than a few are in memory. The data file becomes visible when it is whole and fits its card.
"""

from __future__ import annotations

import shutil
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from crossbench.data.importers.parts import Samples
from crossbench.data.importers.writing import write
from crossbench.data.sources import read_file
from crossbench.errors import DataError, RequestError
from crossbench.files.archives import unpack_all
from crossbench.files.atomic import rename, replacing
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from crossbench.data.dataset import Dataset
    from crossbench.data.importers.interface import Listing
    from crossbench.data.importers.request import Import
    from crossbench.files.data_root import DataRoot

_WORK = ".work-"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A finished import.

    Attributes:
        file: The data file.
        content: Its content hash, which records are pinned to.
        listing: What the distribution held, and what was left out.
        notes: What was assumed or changed.
        intensity: Lowest and highest value of all samples.
        warnings: What a reader of results on the samples should know.
        replaced: Version that was in use before, where it was another one; empty otherwise.
    """

    file: Path
    content: str
    listing: Listing
    notes: tuple[str, ...]
    intensity: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    replaced: str = ""

    @property
    def version(self) -> str:
        """The version, which is the beginning of the content hash."""
        return self.file.stem


def build(
    asked: Import,
    root: DataRoot,
    *,
    cache_dir: Path,
    listener: Callable[[int, int], None] = lambda *_: None,
) -> Imported:
    """Import a distribution and make the result the version in use.

    Args:
        asked: What to import.
        root: Where the data file goes.
        cache_dir: Where the hashes of checked files are kept.
        listener: Called with the numbers of samples read and of all.

    Raises:
        DataError: If the distribution is damaged or not what the card says; what was read so far
            is kept, and nothing becomes visible.
        RequestError: If an option is unknown, or another process imports the same task.
    """
    asked.settings  # noqa: B018  (refuses unknown options before anything is read)
    with _alone(root.imports(asked.card.name), asked.card.name) as folder:
        listing = _listed(asked)
        work = folder / f"{_WORK}{_key(asked, listing)}"
        work.mkdir(exist_ok=True)
        samples = Samples(asked=asked, listing=listing, work=work)
        samples.read(listener)
        return _finish(asked, samples, root, cache_dir)


@contextmanager
def _alone(folder: Path, task: str) -> Iterator[Path]:
    """A task's folder of imports, held against other processes."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        msg = f"task {task!r} is being imported by another process ({lock.lock_file} is locked)"
        raise RequestError(f"{msg}; wait until it has ended") from error
    try:
        yield folder
    finally:
        lock.release()


def _listed(asked: Import) -> Listing:
    """Listing of the distribution, from its tables and names."""
    unpack_all(asked.folder, asked.importer.unpacks)
    listing = asked.importer.list(asked.distribution)
    _check_count(asked, listing)
    for sample in listing.samples:
        if not 0 <= sample.label < len(asked.card.classes):
            msg = f"{asked.folder}: importer {asked.importer.name!r} gives {sample.id!r} label"
            raise DataError(f"{msg} {sample.label}; the card has {len(asked.card.classes)} classes")
    return listing


def _check_count(asked: Import, listing: Listing) -> None:
    found, expected = len(listing.samples), asked.origin.samples
    if not found:
        raise DataError(f"{asked.folder}: no sample of task {asked.card.name!r} is left")
    if len({sample.id for sample in listing.samples}) != found:
        raise DataError(f"{asked.folder}: importer {asked.importer.name!r} lists a sample twice")
    if expected is not None and found != expected and not asked.allow_count_mismatch:
        dropped = f" ({len(listing.dropped)} dropped)" if listing.dropped else ""
        msg = f"{asked.folder}: {found} samples{dropped}, but origin {asked.origin.name!r} of card"
        msg = f"{msg} {asked.card.name!r} says {expected}; complete the folder, or accept it by"
        raise DataError(f"{msg} --allow-count-mismatch{_some(listing.dropped)}")


def _some(dropped: tuple[tuple[str, str], ...]) -> str:
    shown = "; ".join(f"{name}: {why}" for name, why in dropped[:3])
    more = "; ..." if len(dropped) > 3 else ""
    return f" (dropped: {shown}{more})" if dropped else ""


def _key(asked: Import, listing: Listing) -> str:
    """Key that two imports must share for one to resume the other."""
    states = [
        [sample.id, sample.place, [_state(asked.root, file) for file in sample.files]]
        for sample in listing.samples
    ]
    return hash_json([asked.importer.name, asked.settings, states])[:16]


def _state(root: Path, name: str) -> list[int]:
    """Size and time of a file that lies in the distribution's folder and is one."""
    file, inside = root / name, PurePosixPath(name)
    if inside.is_absolute() or ".." in inside.parts:
        raise DataError(f"{file}: leads out of the folder; correct the table that names it")
    try:
        found = file.stat()
        if not file.resolve().is_relative_to(root.resolve()):
            raise DataError(f"{file}: is a link out of the folder; copy what it leads to into it")
    except (OSError, RuntimeError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise DataError(f"{file}: cannot be read ({why}); get it again") from error
    if not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        raise DataError(f"{file}: is no regular file; copy what it holds into one")
    return [found.st_size, found.st_mtime_ns]


def _finish(asked: Import, samples: Samples, root: DataRoot, cache_dir: Path) -> Imported:
    """Write the data file, check it, and make it visible."""
    task, listing = asked.card.name, samples.listing
    form = samples.form()
    notes = (*listing.notes, *form.notes)
    draft = samples.work / "draft.npz"
    try:
        with replacing(draft) as whole:
            write(whole, samples, form, about=_about(asked, listing, notes))
        dataset = _checked(asked, draft, cache_dir)
        content = dataset.content_hash
        file, before = root.version(task, content), root.current(task)
        rename(draft, file)
    finally:
        draft.unlink(missing_ok=True)
    root.use(task, content)
    for each in root.imports(task).glob(f"{_WORK}*"):
        shutil.rmtree(each)
    return Imported(
        file=file,
        content=content,
        listing=listing,
        notes=notes,
        intensity=dataset.intensity,
        warnings=dataset.warnings,
        replaced=before.stem if before not in (None, file) else "",
    )


def _about(asked: Import, listing: Listing, notes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "importer": asked.importer.name,
        "origin": asked.origin.name,
        "options": asked.settings,
        "changed": asked.changed,
        "verbatim": asked.importer.verbatim,
        "samples": len(listing.samples),
        "any_count": asked.allow_count_mismatch,
        "dropped": listing.dropped,
        "notes": notes,
    }


def _checked(asked: Import, draft: Path, cache_dir: Path) -> Dataset:
    """The samples of a draft, which fits its card."""
    try:
        return read_file(asked.card, draft, "real", cache_dir)
    except DataError as error:
        why = str(error).removeprefix(f"{draft}: ")
        msg = f"{asked.folder}: what was imported of it is refused: {why}"
        raise DataError(msg) from error
