"""Build a data file from an original distribution, sample by sample.

Each sample is kept as soon as it is read, so that an import that was stopped resumes, and no more
than a few are in memory. The data file becomes visible when it is whole and fits its card.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from numpy.lib import format as npy

from crossbench.data.formats.npz import map_npy
from crossbench.data.sources import read_file
from crossbench.errors import DataError, unknown_name
from crossbench.files.atomic import replacing
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from concurrent.futures import Future
    from pathlib import Path
    from typing import IO

    from numpy.typing import NDArray

    from crossbench.data.importers.interface import Importer, Listing, Original
    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Option, Origin

_BUDGET = 1 << 29  # bytes of samples that are read at the same time
_WORKING = 4  # copies of a sample that reading it may take
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the same samples make the same file whenever they are imported


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A finished import.

    Attributes:
        file: The data file.
        content: Its content hash, which records are pinned to.
        listing: What the distribution held, and what was left out.
        notes: What was assumed or changed.
        replaced: Version that was in use before, where it was another one; empty otherwise.
    """

    file: Path
    content: str
    listing: Listing
    notes: tuple[str, ...]
    replaced: str = ""


@dataclass(frozen=True, kw_only=True)
class Import:
    """An import to be made.

    Attributes:
        card: The task.
        origin: Where the distribution comes from.
        importer: What reads it.
        folder: Where it lies.
        options: Options that the user sets.
        allow_count_mismatch: Whether another number of samples than expected is accepted.
    """

    card: TaskCard
    origin: Origin
    importer: Importer
    folder: Path
    options: Mapping[str, Option]
    allow_count_mismatch: bool = False

    @property
    def settings(self) -> dict[str, Option]:
        """A value for every option.

        Raises:
            RequestError: If an option is unknown to the importer.
        """
        known = self.importer.defaults
        for name in (*self.origin.options, *self.options):
            if name not in known:
                raise unknown_name(f"option of importer {self.importer.name}", name, known)
        return {**known, **self.origin.options, **self.options}


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
    options = asked.settings
    listing = asked.importer.list(asked.card, asked.folder, options)
    _check_count(asked, listing)
    folder = root.imports(asked.card.name)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        work = folder / f".work-{_key(asked, listing, options)}"
        work.mkdir(exist_ok=True)
        parts = _read_all(asked, listing, options, work, listener)
        shape, dtype, notes = _agree(parts, listing)
        notes = (*listing.notes, *notes)
        about = {
            "importer": asked.importer.name,
            "origin": asked.origin.name,
            "options": options,
            "samples": len(listing.samples),
            "dropped": listing.dropped,
            "notes": notes,
        }
        draft = work / "draft.npz"
        with replacing(draft) as whole:
            _write(whole, parts, shape, dtype, columns=_columns(listing, about))
        dataset = read_file(asked.card, draft, "real", cache_dir)
        content = dataset.content_hash
        del dataset
        before, file = root.current(asked.card.name), root.version(asked.card.name, content)
        draft.replace(file)
        root.use(asked.card.name, content)
        shutil.rmtree(work)
    other = before is not None and before != file
    return Imported(
        file=file,
        content=content,
        listing=listing,
        notes=notes,
        replaced=before.stem if before is not None and other else "",
    )


def _check_count(asked: Import, listing: Listing) -> None:
    found, expected = len(listing.samples), asked.origin.samples
    if len({sample.id for sample in listing.samples}) != found:
        raise DataError(f"{asked.folder}: importer {asked.importer.name!r} lists a sample twice")
    if expected is not None and found != expected and not asked.allow_count_mismatch:
        dropped = f" ({len(listing.dropped)} dropped)" if listing.dropped else ""
        msg = f"{asked.folder}: {found} samples{dropped}, but origin {asked.origin.name!r} of card"
        msg = f"{msg} {asked.card.name!r} says {expected}; complete the folder, or accept it by"
        raise DataError(f"{msg} --allow-count-mismatch")
    if not found:
        raise DataError(f"{asked.folder}: no sample of task {asked.card.name!r} is left")


def _key(asked: Import, listing: Listing, options: Mapping[str, Option]) -> str:
    """What a half-finished import must share with another to be resumed by it."""
    states = [
        [sample.id, sample.place, [_state(asked.folder / file) for file in sample.files]]
        for sample in listing.samples
    ]
    return hash_json([asked.importer.name, dict(options), states])[:16]


def _state(file: Path) -> list[int]:
    try:
        found = file.stat()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); get it again") from error
    return [found.st_size, found.st_mtime_ns]


def _read_all(
    asked: Import,
    listing: Listing,
    options: Mapping[str, Option],
    work: Path,
    listener: Callable[[int, int], None],
) -> list[Path]:
    """One npy file a sample, those that are there from an earlier attempt kept."""
    parts = [work / f"{place:07d}.npy" for place in range(len(listing.samples))]
    todo = [place for place, part in enumerate(parts) if not part.exists()]
    done = len(parts) - len(todo)
    listener(done, len(parts))

    def read(place: int) -> int:
        sample = listing.samples[place]
        voxels = asked.importer.read(asked.card, asked.folder, sample, options)
        return _keep(parts[place], np.ascontiguousarray(voxels))

    for size in map(read, todo[:1]):
        done += 1
        listener(done, len(parts))
        workers = max(1, min(len(os.sched_getaffinity(0)), _BUDGET // (_WORKING * size)))
        for _ in _bounded(read, todo[1:], workers):
            done += 1
            listener(done, len(parts))
    return parts


def _bounded(read: Callable[[int], int], todo: Sequence[int], workers: int) -> Iterator[int]:
    """The results in order; no more than twice the workers are begun before they are taken."""
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[int]] = deque()
        try:
            for place in todo:
                pending.append(pool.submit(read, place))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for each in pending:
                each.cancel()


def _keep(part: Path, voxels: NDArray[Any]) -> int:
    """Write a sample, as float32 where that loses nothing of float64; its size in bytes."""
    size = voxels.nbytes
    if voxels.dtype == np.float64:
        narrow = voxels.astype(np.float32)
        voxels = narrow if np.array_equal(narrow, voxels, equal_nan=True) else voxels
    draft = part.with_suffix(".tmp")
    with draft.open("wb") as stream:
        np.save(stream, voxels, allow_pickle=False)
    draft.replace(part)
    return max(1, size)


def _agree(
    parts: Sequence[Path], listing: Listing
) -> tuple[tuple[int, ...], np.dtype[Any], tuple[str, ...]]:
    """The one shape and dtype of all samples, and what is to be said of the dtype."""
    forms = [(image.shape, image.dtype) for image in map(map_npy, parts)]
    shape, first = forms[0]
    dtype = np.result_type(*{each for _, each in forms})
    for (found, each), sample in zip(forms, listing.samples, strict=True):
        if found != shape:
            msg = f"sample {sample.id!r} has shape {found}, {listing.samples[0].id!r} {shape}"
            raise DataError(f"{msg}; all samples of a data file have one shape")
        if each.kind != first.kind:
            raise DataError(f"sample {sample.id!r} is {each}, {listing.samples[0].id!r} {first}")
    return shape, dtype, ()


def _columns(listing: Listing, about: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The arrays beside the images; those of which nothing is known are left out."""
    samples: Sequence[Original] = listing.samples
    columns: dict[str, NDArray[Any]] = {
        "labels": np.array([sample.label for sample in samples], np.int64),
        "ids": np.array([sample.id for sample in samples], np.str_),
        "about": np.array(json.dumps(about, ensure_ascii=False, sort_keys=True)),
    }
    if all(sample.group for sample in samples):
        columns["groups"] = np.array([sample.group for sample in samples], np.str_)
    if all(sample.official >= 0 for sample in samples):
        columns["official"] = np.array([sample.official for sample in samples], np.int8)
    covariate = np.array([sample.covariate for sample in samples], np.float64)
    if np.isfinite(covariate).all():
        columns["covariate"] = covariate
    return columns


def _write(
    file: Path,
    parts: Sequence[Path],
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
    *,
    columns: Mapping[str, NDArray[Any]],
) -> None:
    """An uncompressed npz file, its images written one after the other."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, column in columns.items():
            with _member(archive, name) as stream:
                npy.write_array(stream, column, allow_pickle=False)
        with _member(archive, "images") as stream:
            header = {"descr": dtype.str, "fortran_order": False, "shape": (len(parts), *shape)}
            npy.write_array_header_1_0(stream, header)
            for image in map(map_npy, parts):
                stream.write(np.ascontiguousarray(image, dtype).data)


def _member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    return archive.open(zipfile.ZipInfo(f"{name}.npy", _EPOCH), "w", force_zip64=True)
