"""Variations on a task's samples, made to check a claim: another contrast, other labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.specs.sources import EmbeddedSource, NpzSource


def varied(dataset: Dataset, source: NpzSource | EmbeddedSource) -> Dataset:
    """The samples with intensities and labels as a card's source has them, not hashed yet.

    Raises:
        DataError: If intensities that are no whole numbers are to be inverted.
    """
    if source.invert:
        images = inverted(dataset.images, where=str(dataset.file))
        dataset = replace(dataset, images=images, stored=dataset.as_stored, watch=None)
    if source.permute is not None:
        labels = permuted(dataset.labels, source.permute)
        dataset = replace(dataset, labels=labels, strata=dataset.labels)
    return dataset


def inverted(images: NDArray[Any], *, where: str) -> NDArray[Any]:
    """Integer images with the largest value of their dtype as the smallest, and so on."""
    if images.dtype.kind not in "iu":
        msg = f"{where}: images are {images.dtype}; source.invert turns whole numbers around alone"
        raise DataError(msg)
    limits = np.iinfo(images.dtype)
    turned: NDArray[Any] = limits.max - images + limits.min
    return turned


def permuted(labels: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """(N,) labels dealt out anew."""
    return np.random.default_rng(seed).permutation(labels)
