"""The samples of an import, one npy file each, until all of them are there."""

from __future__ import annotations

import os
import tracemalloc
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.npz import map_npy
from crossbench.errors import CrossbenchError, DataError
from crossbench.errors.foreign import describe
from crossbench.files.sizes import free_bytes, no_room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.importers.interface import Listing
    from crossbench.data.importers.request import Import

_BUDGET = 1 << 29  # bytes that reading samples side by side may take
_NARROWED = "narrowed"  # marks a folder in which some float64 sample became float32


@dataclass(frozen=True, kw_only=True)
class Form:
    """Shape and dtype that all samples of an import share.

    Attributes:
        shape: Shape of each, that of the longest where they differ in length.
        dtype: Their dtype.
        lengths: Where each ends along the last axis; empty where all have one length.
        notes: What is to be said of the dtype.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    lengths: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Samples:
    """The samples of an import, some of them perhaps from an earlier attempt.

    Attributes:
        asked: The import.
        listing: The samples.
        work: Folder of their files.
    """

    asked: Import
    listing: Listing
    work: Path

    @cached_property
    def parts(self) -> list[Path]:
        """A file for each sample, whether it is there yet or not."""
        return [self.work / f"{place:07d}.npy" for place in range(len(self.listing.samples))]

    def read(self, listener: Callable[[int, int], None]) -> None:
        """Read the samples that are not there yet, the first alone and then by threads.

        The first shows how much memory a sample takes, and hence how many threads may read.

        Raises:
            DataError: For the first that cannot be read; those before it are kept.
        """
        todo = [place for place, part in enumerate(self.parts) if not _is_whole(part)]
        done = len(self.parts) - len(todo)
        listener(done, len(self.parts))
        if not todo:
            return
        taken = _peak(lambda: self._read(todo[0]))
        self._check_room(todo)
        workers = max(1, min(len(os.sched_getaffinity(0)), _BUDGET // taken))
        listener(done := done + 1, len(self.parts))
        for _ in _bounded(self._read, todo[1:], workers):
            listener(done := done + 1, len(self.parts))

    def form(self) -> Form:
        """The one shape and dtype of all samples.

        Raises:
            DataError: Naming two samples that differ.
        """
        forms = [(image.shape, image.dtype) for image in map(map_npy, self.parts)]
        shape, first = forms[0]
        names = [sample.id for sample in self.listing.samples]
        fixed, but = (-1, " but for the last axis") if self.asked.importer.ragged else (None, "")
        for (found, each), name in zip(forms, names, strict=True):
            if len(found) != len(shape) or found[:fixed] != shape[:fixed]:
                msg = f"sample {name!r} has shape {found}, {names[0]!r} {shape}"
                raise DataError(f"{msg}; all samples of a data file have one shape{but}")
            if each.kind != first.kind:
                msg = f"sample {name!r} is {each}, {names[0]!r} {first}"
                raise DataError(f"{msg}; all samples of a data file are of one kind of numbers")
        dtype = np.result_type(*{each for _, each in forms})
        narrowed = dtype == np.float32 and (self.work / _NARROWED).exists()
        note = "float64 became float32, which holds every value of these samples exactly"
        lengths = tuple(found[-1] for found, _ in forms if found)
        return Form(
            shape=(*shape[:-1], max(lengths)) if lengths else shape,
            dtype=dtype,
            lengths=lengths if len(set(lengths)) > 1 else (),
            notes=(note,) if narrowed else (),
        )

    def _read(self, place: int) -> None:
        sample, asked = self.listing.samples[place], self.asked
        where = f"{asked.root}: sample {sample.id!r} ({', '.join(sample.files[:2])})"
        try:
            voxels = asked.importer.read(asked.distribution, sample)
        except (CrossbenchError, OSError):
            raise
        except Exception as error:  # readers of foreign formats raise what they like
            msg = f"{where}: cannot be read ({describe(error)}); get it again"
            raise DataError(msg) from error
        self._keep(self.parts[place], self._valid(voxels, where))

    def _valid(self, voxels: NDArray[Any], where: str) -> NDArray[Any]:
        """A sample in native byte order, refused where it is no array of finite numbers."""
        if voxels.dtype.kind not in "biuf":
            raise DataError(f"{where}: is {voxels.dtype}, no array of real numbers; get it again")
        if not voxels.size:
            raise DataError(f"{where}: has shape {voxels.shape}, which is empty; get it again")
        if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
            raise DataError(f"{where}: has NaN or infinite values; get it again, or leave it out")
        return np.ascontiguousarray(voxels, voxels.dtype.newbyteorder("="))

    def _keep(self, part: Path, voxels: NDArray[Any]) -> None:
        """Write a sample, as float32 where that loses nothing of float64."""
        if voxels.dtype == np.float64:
            with np.errstate(over="ignore"):
                narrow = voxels.astype(np.float32)
            if np.array_equal(narrow, voxels):
                voxels = narrow
                (self.work / _NARROWED).touch()
        draft = part.with_suffix(".tmp")
        with draft.open("wb") as stream:
            np.save(stream, voxels, allow_pickle=False)
        draft.replace(part)

    def _check_room(self, todo: Sequence[int]) -> None:
        """Refuse a disk that holds no data file and its samples, when the first one is there."""
        size = self.parts[todo[0]].stat().st_size
        needed = size * (len(todo) - 1 + len(self.parts))
        free = free_bytes(self.work)
        if needed > free:
            raise DataError(f"{no_room(self.work.parent, 'the import', needed, free)} --data-dir")


def _is_whole(part: Path) -> bool:
    """Whether a sample is there from an earlier attempt, and was not cut off by a power cut."""
    if not part.exists():
        return False
    try:
        map_npy(part)
    except DataError:
        return False
    return True


def _peak(read: Callable[[], object]) -> int:
    """Bytes of memory that a call has taken at most."""
    tracing = tracemalloc.is_tracing()
    tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        read()
        return max(1, tracemalloc.get_traced_memory()[1] - before)
    finally:
        if not tracing:
            tracemalloc.stop()


def _bounded(read: Callable[[int], object], todo: Sequence[int], workers: int) -> Iterator[object]:
    """The results in order; no more than twice the workers are begun before they are taken."""
    with ThreadPoolExecutor(workers) as pool:
        pending: deque[Future[object]] = deque()
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
