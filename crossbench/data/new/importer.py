"""The importer of a folder that was looked at, and the data file that it makes."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from crossbench.data.formats.prepared import prepared_series, read_prepared
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.build import Imported, build
from crossbench.data.importers.request import Import
from crossbench.data.new.card import card_of
from crossbench.data.pseudonyms import open_pseudonyms
from crossbench.specs.origins import ManualOrigin
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.new.draft import Draft
    from crossbench.data.pseudonyms import Pseudonyms
    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard

_BUDGET = 1 << 30  # bytes of files that are read at the same time
_VOXEL = 4  # bytes of one while it is resampled


class FolderImporter(Importer):
    """A folder of files, of which a :class:`Draft` says what they are."""

    name = "folder"

    def __init__(self, draft: Draft, pseudonyms: Pseudonyms) -> None:
        """See the class.

        Args:
            draft: What the folder holds.
            pseudonyms: What stands for identifiers of samples and groups.
        """
        self._draft = draft
        self._pseudonyms = pseudonyms
        dims = len(draft.shape) - 1
        sizes = [math.prod(each[:dims]) * draft.shape[0] for each in draft.acquisition.values()]
        # What is read may be far larger than what is stored, of which the builder knows.
        self._room = BoundedSemaphore(max(1, int(_BUDGET / (_VOXEL * max(sizes, default=1)))))

    def list(self, *_: object) -> Listing:
        """The samples, in an order that tells nothing of their names or classes."""
        samples = sorted(self._samples(), key=lambda sample: _place(sample.files[0]))
        notes = tuple(remark.text for remark in self._draft.remarks)
        return Listing(samples=tuple(samples), notes=notes)

    def _samples(self) -> Iterator[Original]:
        draft, names = self._draft, self._pseudonyms
        official = bool(draft.official)
        for sample, label in zip(draft.samples, draft.labels, strict=True):
            yield Original(
                id=names.of_file(sample.id),
                label=label,
                files=self._files(sample.file),
                # one without a group among others that have one is a group of its own
                group=(names.of(sample.group) or names.of_file(sample.id)) if draft.group else "",
                official=sample.part if official else -1,
                covariate=sample.covariate,
                acquisition=draft.acquisition[sample.file],
            )

    def _files(self, name: str) -> tuple[str, ...]:
        """All files of a sample: of a DICOM series, those of its slices."""
        series = self._draft.series.get(name)
        if series is None:
            return (name,)
        folder = self._draft.choices.folder
        return tuple(file.relative_to(folder).as_posix() for file in series.files)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """One sample in the dtype of all, without an axis of channels where there is one."""
        series, preparation = self._draft.series.get(sample.files[0]), self._draft.preparation
        with self._room:
            if series is None:
                voxels = read_prepared(source.folder / sample.files[0], preparation)
            else:
                voxels = prepared_series(series, preparation)
        voxels = voxels.astype(self._draft.dtype, copy=False)
        return voxels[0] if len(voxels) == 1 else voxels


def _place(file: str) -> str:
    """Key of the order of samples: classes lie mixed, whatever the folders are called."""
    return hashlib.sha256(file.encode("utf-8", "surrogateescape")).hexdigest()


def make_file(
    draft: Draft,
    root: DataRoot,
    *,
    cache_dir: Path,
    listener: Callable[[int, int], None] = lambda *_: None,
) -> tuple[Imported, TaskCard]:
    """Make the data file of a draft, and the card that it fits.

    Args:
        draft: What was decided.
        root: Where the data file goes, and the salt lies.
        cache_dir: Where the hashes of checked files are kept.
        listener: Called with the numbers of samples read and of all.

    Raises:
        DataError: If a file is damaged; what was read so far is kept, and the same command goes on.
    """
    pseudonyms = open_pseudonyms(root, keep=draft.choices.keep_ids)
    importer = FolderImporter(draft, pseudonyms)
    prepared = {
        key: tuple(value) if isinstance(value, list) else "" if value is None else value
        for key, value in to_mapping(draft.preparation).items()
    }
    # An instance of its own: what its options are is known when a folder was looked at.
    importer.defaults = {**prepared, "dtype": draft.dtype}  # type: ignore[misc]
    card = card_of(draft)
    asked = Import(
        card=card,
        origin=ManualOrigin(name=""),
        importer=importer,
        folder=draft.choices.folder,
        options={},
    )
    made = build(asked, root, cache_dir=cache_dir, listener=listener)
    if made.intensity is not None and made.intensity[0] < made.intensity[1]:
        card = replace(card, intensity=made.intensity)
    return made, card
