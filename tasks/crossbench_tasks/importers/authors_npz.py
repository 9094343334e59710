"""An npz file in the authors' form: ``images``, ``labels`` and, where known, ``groups``.

Any task can be imported of one. Of their own files some are float64 of many gigabytes, some packed.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.canonical import canonical_labels
from crossbench.data.formats.npz import NpzFile
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.inputs import find_kind
from crossbench.errors import DataError
from crossbench_tasks.importers._files import walk

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

_AHEAD = 1 << 27  # bytes of entries that are kept for threads that ask late for them


class AuthorsNpz(Importer):
    """One file, read entry by entry whether it is packed or not."""

    name = "authors-npz"
    verbatim = True

    def __init__(self) -> None:
        self._entries: dict[Path, _Entries] = {}

    def list(self, source: Distribution) -> Listing:
        """The entries in the order of the file."""
        file = _file(source.card, source.folder)
        with NpzFile(file) as archive:
            archive.verify = False  # reading the samples would show damage of packed ones alone
            stored = archive.shape("images")
            count = stored[0] if stored else 0
            labels = canonical_labels(
                archive.read("labels"),
                samples=count,
                num_classes=len(source.card.classes),
                where=str(file),
            )
            groups = _groups(archive, count)
        self._entries = {file: _Entries(file)}
        samples = tuple(
            Original(id=str(place), label=int(label), files=(file.name,), group=group, place=place)
            for place, (label, group) in enumerate(zip(labels, groups, strict=True))
        )
        return Listing(samples=samples, notes=("identifiers are places in the authors' file",))

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(*spatial) or (C, *spatial) in the stored dtype."""
        file = _file(source.card, source.folder)
        entry = self._entries[file].take(sample.place)
        kind, where = find_kind(source.card.kind), f"{file}: entry {sample.place}"
        arrays = {"images": entry[None]}
        image: NDArray[Any] = kind.canonical(
            arrays, where=where, axes=source.card.source.axes, least=1
        )[0]
        return np.squeeze(image, 0) if len(image) == 1 else image


class _Entries:
    """The entries of a file's images, for threads that ask in nearly their order."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._begin()

    def _begin(self) -> None:
        self._next = 0
        self._coming = _stream(self._file)
        # else it is closed when the interpreter has been taken apart already
        weakref.finalize(self, self._coming.close)

    def take(self, place: int) -> NDArray[Any]:
        """The entry at a place; those that are passed on the way are kept for a while."""
        with self._lock:
            if place in self._kept:
                return self._kept.pop(place)
            if place < self._next:
                self._begin()
            for entry in self._coming:
                self._next += 1
                if self._next > place:
                    return entry
                self._kept[self._next - 1] = entry
                while len(self._kept) * entry.nbytes > _AHEAD:
                    self._kept.popitem(last=False)
        raise DataError(f"{self._file}: ends before entry {place}; get it again")


def _stream(file: Path) -> Generator[NDArray[Any], None, None]:
    with NpzFile(file) as archive:
        yield from archive.stream("images")


def _file(card: TaskCard, folder: Path) -> Path:
    """The file that is meant: the one that is named, the one the card names, or the only one."""
    if folder.is_file():
        return folder
    names = [path for path in walk(folder, ".npz") if len(path.parts) == 1]
    named = [path for path in names if path.name == card.source.file]
    if len(named or names) != 1:
        msg = f"{folder}: {len(names)} npz files in it, of which none is {card.source.file!r}"
        raise DataError(f"{msg}; name the file by --from")
    return folder / (named or names)[0]


def _groups(archive: NpzFile, count: int) -> list[str]:
    if "groups" not in archive:
        return [""] * count
    groups = archive.read("groups")
    if groups.size != count or groups.dtype.kind not in "iuU":
        msg = f"{archive.file}: groups are {groups.dtype} of shape {groups.shape}; {count} images"
        raise DataError(f"{msg} need ({count},) whole numbers or text")
    return [str(group) for group in np.ravel(groups).tolist()]
