"""A task's samples, as every later stage sees them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.content import Stored
from crossbench.data.formats.npz import content_hash
from crossbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.watch import Watch
    from crossbench.specs import DataSource


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Samples and labels of one task, kept as they are stored.

    Attributes:
        images: (N, C, H, W) or (N, C, D, H, W) view in the file's own dtype, memory-mapped
            where the file allows; C is 1, 2 or 3. Gray is not repeated here.
        labels: (N,) int64 in [0, num_classes).
        num_classes: Number of classes on the card.
        groups: (N,) int64 codes of patients (or the card's group), None where unpublished.
        official: (N,) int8, 0 train, 1 validation, 2 test, None where there is no such split.
        covariate: (N,) float64 that a plain baseline predicts from, such as a diameter in mm.
        source: ``real``, ``embedded`` or ``phantom``.
        file: The file that was read.
        content_hash: SHA-256 over the arrays' names, dtypes, shapes and bytes.
        site: (N,) unicode names of the sites that samples were acquired at, where known.
        covariates: (N, C) float64 that a plain baseline predicts from, NaN where unknown.
        covariate_names: C names of the covariates' columns.
        strata: (N,) int64 classes that splits keep in proportion where these are not the labels.
        intensity: Lowest and highest stored value of all; None where nobody looked.
        warnings: What a reader of results on these samples should know.
        stored: The file's samples, where these are not all of them, or not as they lie in it.
        members: (G,) hashes of the groups by code, where the card names a cohort.
        axes: The order in which the file stores the axes in space, where it is another.
        origin: How the file was imported and grouped, as records say it
            (:func:`crossbench.data.imported.origin_facts`); empty of a published file.
        parts: The tested samples and, behind them, those that networks are fitted on, where these
            are another task's; empty where they are the task's own.
        watch: The open file, where the images are mapped from it; None where they are in memory.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64]
    num_classes: int
    groups: NDArray[np.int64] | None
    official: NDArray[np.int8] | None
    covariate: NDArray[np.float64] | None
    source: DataSource
    file: Path
    content_hash: str
    site: NDArray[np.str_] | None = None
    covariates: NDArray[np.float64] | None = None
    covariate_names: tuple[str, ...] = ()
    strata: NDArray[np.int64] | None = None
    intensity: tuple[float, float] | None = None
    warnings: tuple[str, ...] = ()
    stored: Stored | None = None
    members: NDArray[np.uint64] | None = None
    axes: str | None = None
    origin: dict[str, Any] = field(default_factory=dict)
    watch: Watch | None = None
    parts: tuple[Dataset, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def as_stored(self) -> Stored:
        """The file's samples, by whose content those of other files can be told to be the same."""
        every = np.arange(len(self))
        return self.stored or Stored(
            images=(self.images,), groups=self.groups, rows=every, members=self.members
        )

    def hash_content(self) -> str:
        """The content hash of the samples as they are now."""
        arrays = {
            "images": self.images,
            "labels": self.labels,
            "groups": self.groups,
            "official": self.official,
            "covariate": self.covariate,
            "site": self.site,
            "covariates": self.covariates,
            "covariate_names": np.array(self.covariate_names) if self.covariate_names else None,
        }
        return content_hash({key: array for key, array in arrays.items() if array is not None})

    def check_unchanged(self) -> None:
        """Refuse mapped images whose file was written to since it was opened.

        A glance at the file's state where that is as it was; else the samples are hashed again,
        for a renamed file has another state and the same content.

        Raises:
            DataError: If the samples are others now, or some of them are gone.
        """
        for part in self.parts:
            part.check_unchanged()
        if self.watch is None or (now := self.watch.now()) == self.watch.state:
            return
        size = self.watch.state.size
        if now.size != size:
            what = f"it had {size} bytes and has {now.size}"
        elif self.hash_content() != self.content_hash:
            what = "its content is another"
        else:
            self.watch.state = now
            return
        msg = f"{self.file} was written to while it was in use ({what}); "
        raise DataError(f"{msg}run again, and put a new file in its place instead of changing it")
