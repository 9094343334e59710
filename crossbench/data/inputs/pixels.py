"""Kinds of pixels and voxels: their stored form, features of plain baselines, and pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.canonical import canonical_images
from crossbench.data.inputs.interface import InputKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_CHUNK_VALUES = 2**23


class PixelKind(InputKind):
    """A kind whose samples are dense arrays of pixels or voxels, all of one shape.

    Attributes:
        feature_side: Longest side that the plain baselines see.
    """

    feature_side: ClassVar[int]

    def canonical(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        where: str,
        axes: str | None = None,
        least: int = 2,
    ) -> NDArray[Any]:
        """(N, C, *spatial) views."""
        return canonical_images(self, arrays["images"], where=where, axes=axes, least=least)

    def features(self, images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Pixels or voxels, averaged down to ``feature_side``."""
        return pixel_features(images, index, self.feature_side)


def pixel_features(
    images: NDArray[Any], index: NDArray[np.int64], side: int
) -> NDArray[np.float64]:
    """(len(index), F) values, each sample scaled to [0, 1] by its own range, then averaged.

    Args:
        images: (N, C, *spatial) array or memory map of any real dtype; read in chunks.
        index: The samples.
        side: Longest side, in pixels, that remains.
    """
    step = max(1, _CHUNK_VALUES // int(np.prod(images.shape[1:])))
    chunks = (images[index[start : start + step]] for start in range(0, len(index), step))
    return np.concatenate(
        [shrink(_scale(chunk), side).reshape(len(chunk), -1) for chunk in chunks], dtype=np.float64
    )


def as_picture(
    plane: NDArray[Any], low: float | None = None, high: float | None = None
) -> NDArray[np.uint8]:
    """(H, W, 3) picture of a (C, H, W) plane; unless it has three channels, the first is shown.

    Args:
        plane: Of any real dtype.
        low: Value that becomes 0; None takes the least.
        high: Value that becomes 255; None takes the greatest.
    """
    values = plane.astype(np.float64)
    low = values.min() if low is None else float(low)
    high = values.max() if high is None else float(high)
    scaled = ((values - low) / (high - low or 1) * 255).astype(np.uint8)
    colour = scaled if len(scaled) == 3 else np.repeat(scaled[:1], 3, axis=0)
    return np.moveaxis(colour, 0, -1)


def _scale(batch: NDArray[Any]) -> NDArray[np.float32]:
    """Map the range of each sample, over all its channels, to [0, 1]; a constant one is 0."""
    scaled = batch.astype(np.float32)
    axes = tuple(range(1, batch.ndim))
    scaled -= scaled.min(axis=axes, keepdims=True)
    highest = scaled.max(axis=axes, keepdims=True)
    scaled /= np.where(highest > 0, highest, 1)
    return scaled


def shrink(batch: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Average every spatial axis longer than ``side`` down to it, by area."""
    for axis in range(batch.ndim - 1, 1, -1):
        if batch.shape[axis] > side:
            averaged = np.tensordot(batch, _area_weights(batch.shape[axis], side), axes=(axis, 1))
            batch = np.moveaxis(averaged, -1, axis)
    return batch


def _area_weights(size: int, side: int) -> NDArray[np.float32]:
    """(side, size) weights that average ``size`` pixels into ``side`` cells of equal length."""
    edges = np.arange(side + 1)[:, None] * (size / side)
    pixel = np.arange(size)
    overlap = np.minimum(edges[1:], pixel + 1) - np.maximum(edges[:-1], pixel)
    weights: NDArray[np.float32] = (overlap.clip(min=0) * (side / size)).astype(np.float32)
    return weights
