"""The stored value range that is mapped to [0, 1]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK_BYTES = 64 * 2**20


def value_range(
    images: NDArray[Any], scaling: Literal["global", "train", "sample"], train: NDArray[np.int64]
) -> tuple[float, float] | None:
    """Lowest and highest stored value over the samples that ``scaling`` names.

    Args:
        images: (N, C, *spatial) array of any real dtype; read in chunks, never copied whole.
        scaling: ``global`` looks at every sample, test folds included, as the paper does;
            ``train`` at the training part; ``sample`` leaves each sample its own range.
        train: (n,) indices of the training part.

    Returns:
        ``(lowest, highest)``, or None where each sample has its own.
    """
    if scaling == "sample":
        return None
    indices = train if scaling == "train" else np.arange(len(images))
    step = max(1, _CHUNK_BYTES // max(1, images[:1].nbytes))
    chunks = (images[indices[start : start + step]] for start in range(0, len(indices), step))
    ranges = [(float(chunk.min()), float(chunk.max())) for chunk in chunks]
    return min(low for low, _ in ranges), max(high for _, high in ranges)
