"""Resampling of one sample: linear along each axis, antialiased where it shrinks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from scipy import sparse

    from crossbench.specs.preparation import Fit


def respace(
    sample: NDArray[Any], spacing: Sequence[float], target: Sequence[float]
) -> NDArray[Any]:
    """Resample a volume to another spacing about its centre.

    Args:
        sample: (C, *spatial) of any real dtype.
        spacing: Millimetres between voxels along each axis.
        target: The same after resampling.

    Returns:
        (C, *spatial) of the same dtype, each axis as long in mm to half a voxel.
    """
    sides = sides_at(target, sample.shape[1:], spacing)
    return _resample(sample, sides, [new / old for old, new in zip(spacing, target, strict=True)])


def sides_at(
    target: Sequence[float], sides: Sequence[int], spacing: Sequence[float]
) -> tuple[int, ...]:
    """Voxels along each axis after resampling to another spacing."""
    axes = zip(sides, spacing, target, strict=True)
    return tuple(max(1, round(length * old / new)) for length, old, new in axes)


def fitted(sample: NDArray[Any], size: Sequence[int], fit: Fit) -> NDArray[Any]:
    """Bring a sample to a size; :class:`crossbench.specs.preparation.Preparation` says how.

    Args:
        sample: (C, *spatial) of any real dtype.
        size: Lengths of the axes in space.
        fit: How.

    Returns:
        (C, *size) of the same dtype.
    """
    space = sample.shape[1:]
    if fit == "stretch":
        return _resample(sample, size, [old / new for old, new in zip(space, size, strict=True)])
    if fit != "centre":
        choose = max if fit == "pad" else min
        ratio = choose(old / new for old, new in zip(space, size, strict=True))
        sides = [max(1, round(old / ratio)) for old in space]
        sample = _resample(sample, sides, [ratio] * len(sides))
    return _centred(sample, size)


def _centred(sample: NDArray[Any], size: Sequence[int]) -> NDArray[Any]:
    """The middle of each axis, filled up with the lowest value on both sides where it is short."""
    starts = [(old - new) // 2 for old, new in zip(sample.shape[1:], size, strict=True)]
    first = [max(0, start) for start in starts]
    cut = [slice(start, start + new) for start, new in zip(first, size, strict=True)]
    inner: NDArray[Any] = sample[(slice(None), *cut)]
    if inner.shape[1:] == tuple(size):
        return inner
    filled = np.full((len(sample), *size), sample.min(), sample.dtype)
    places = [
        slice(max(0, -start), max(0, -start) + length)
        for start, length in zip(starts, inner.shape[1:], strict=True)
    ]
    filled[(slice(None), *places)] = inner
    return filled


def _resample(sample: NDArray[Any], sides: Sequence[int], ratios: Sequence[float]) -> NDArray[Any]:
    """One sparse product an axis; integers are rounded."""
    values = sample
    for axis, (side, ratio) in enumerate(zip(sides, ratios, strict=True), 1):
        length = values.shape[axis]
        if side == length and ratio == 1:
            continue
        if values.dtype.kind != "f":
            values = values.astype(np.float32 if sample.dtype.itemsize <= 2 else np.float64)
        lines = np.moveaxis(values, axis, 0)
        product = _weights(length, side, ratio).astype(values.dtype) @ lines.reshape(length, -1)
        values = np.moveaxis(product.reshape(side, *lines.shape[1:]), 0, axis)
    if sample.dtype.kind != "f":
        values = np.rint(values)  # within the range: weights are shares
    return values.astype(sample.dtype, copy=False)


def _weights(length: int, side: int, ratio: float) -> sparse.csr_array:
    """(side, length) shares of the old voxels in the new: a triangle about each new centre.

    Args:
        length: Old voxels.
        side: New voxels.
        ratio: Length of a new voxel in old ones.
    """
    from scipy import sparse

    centres = (np.arange(side) + 0.5 - side / 2) * ratio + length / 2 - 0.5
    reach = max(ratio, 1.0)
    first = np.clip(np.ceil(centres - reach), 0, None).astype(np.int64)
    old = first[:, None] + np.arange(min(math.ceil(2 * reach) + 1, length))
    shares = np.clip(1 - np.abs(old - centres[:, None]) / reach, 0, None) * (old < length)
    shares /= shares.sum(axis=1, keepdims=True)
    rows = np.broadcast_to(np.arange(side)[:, None], old.shape)
    place = (rows.ravel(), np.minimum(old, length - 1).ravel())
    return sparse.csr_array(sparse.coo_array((shares.ravel(), place), (side, length)))
