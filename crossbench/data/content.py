"""Content hashes of samples, whatever file, order or task they come in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Stored:
    """The samples of a file as they lie in it, before a card chooses among or changes them.

    Attributes:
        images: (M, C, *spatial) in canonical form, an array a file.
        groups: (M,) int64 codes, those of the task's samples; None where there are none.
        rows: (N,) int64: which of them each sample of the task is made of.
        members: (G,) hashes of the groups by code, where they are of a cohort: a group counts as
            seen in one task of it when it was seen in another, whatever its samples are there.
    """

    images: tuple[NDArray[Any], ...]
    groups: NDArray[np.int64] | None
    rows: NDArray[np.int64]
    members: NDArray[np.uint64] | None = None

    @cached_property
    def hashes(self) -> NDArray[np.uint64]:
        """(M,) hashes as of :func:`sample_hashes`, computed once."""
        return np.concatenate([sample_hashes(each) for each in self.images])

    def __len__(self) -> int:
        return sum(map(len, self.images))

    def of_units(self, units: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The distinct hashes, but for blank samples, of all that the file has of some units.

        Those of a cohort's groups themselves are among them.

        Args:
            units: Groups, of which every sample of the file counts; or samples of the task, where
                there are no groups.
        """
        if self.groups is None:
            found = self.hashes[self.rows[units]]
        else:
            found = self.hashes[np.isin(self.groups, units)]
        if self.members is not None:
            found = np.concatenate([found, self.members[units]])
        return np.setdiff1d(found, _BLANK)

    def units_with(self, hashes: NDArray[np.uint64], units: NDArray[np.int64]) -> NDArray[np.int64]:
        """Those of some units that have a sample of one of these hashes; arguments as above."""
        if self.groups is None:
            return units[np.isin(self.hashes[self.rows[units]], hashes)]
        found = self.groups[np.isin(self.hashes, hashes)]
        if self.members is not None:
            found = np.concatenate([found, np.flatnonzero(np.isin(self.members, hashes))])
        return np.intersect1d(units, found)


def member_hashes(cohort: str, names: Sequence[str]) -> NDArray[np.uint64]:
    """The first 64 bits of SHA-256 over each group's cohort and identifier.

    Args:
        cohort: Name of the cohort.
        names: Identifiers of groups, as :func:`crossbench.data.canonical.group_names` has them.

    Returns:
        (G,) hashes.
    """
    texts = (json.dumps([cohort, name]).encode() for name in names)
    digests = (hashlib.sha256(text).digest()[:8] for text in texts)
    return np.array([int.from_bytes(digest, "big") or 1 for digest in digests], np.uint64)


_BLANK = np.zeros(1, np.uint64)


def sample_hashes(images: NDArray[Any]) -> NDArray[np.uint64]:
    """The first 64 bits of SHA-256 over each sample's dtype, shape and values.

    Axes of length 1 do not count, so that a gray sample is the same with and without its channel.
    Among a million samples, two have one hash by chance once in 40 million times.

    Args:
        images: (M, ...).

    Returns:
        (M,) hashes; 0 for a sample of one value only, which nothing can be recognised by.
    """
    shape = [size for size in images.shape[1:] if size != 1]
    start = hashlib.sha256(f"{images.dtype.newbyteorder('<').str} {shape}".encode())
    hashes = np.zeros(len(images), np.uint64)
    for place, image in enumerate(images):
        values = np.ascontiguousarray(image)
        if (values == values.flat[0]).all():
            continue
        digest = start.copy()
        digest.update(values.data)
        hashes[place] = int.from_bytes(digest.digest()[:8], "big") or 1
    return hashes
