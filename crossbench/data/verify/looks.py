"""One pass over samples, a chunk at a time: what later checks need of each."""

from __future__ import annotations

import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.content import sample_hashes
from crossbench.data.formats.npz import chunks
from crossbench.data.inputs.pixels import shrink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

#: Longest side of the thumbnails whose correlation confirms a near duplicate.
SIDE = 48

#: Bytes that a thumbnail is compressed to at least; what takes fewer is the same by chance.
LEAST_BYTES = 64

_BINS = 16
_BORDER = 16  # the outer sixteenth of an axis is its border


@dataclass(frozen=True, kw_only=True, eq=False)
class Looks:
    """Hashes, thumbnails and plain features of samples.

    Attributes:
        hashes: (N,) content hashes of :func:`~crossbench.data.content.sample_hashes`, 0 for
            constant samples.
        bits: (N, B) perceptual hashes: 64 bits an image, or a volume's plane.
        thumbnails: (N, F) uint8 pixels of reduced images, or of volumes' planes.
        plain: (N,) whether so little is shown that samples are the same by chance.
        border: (N, G) mean and deviation of the border along each side, and its blank share.
        histogram: (N, 16) share of voxels in equal parts of the range of all samples.
    """

    hashes: NDArray[np.uint64]
    bits: NDArray[np.bool_]
    thumbnails: NDArray[np.uint8]
    plain: NDArray[np.bool_]
    border: NDArray[np.float32]
    histogram: NDArray[np.float32]


def look(images: NDArray[Any], span: tuple[float, float]) -> Looks:
    """Look at every sample once, a chunk a core at a time; samples are finite.

    Args:
        images: (N, C, *spatial) array or memory map.
        span: Lowest and highest value of all samples.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = list(pool.map(partial(_look, span=span), chunks(images)))
    names = [field.name for field in fields(Looks)]
    columns = map(np.concatenate, zip(*parts, strict=True))
    return Looks(**dict(zip(names, columns, strict=True)))


def _look(chunk: NDArray[Any], span: tuple[float, float]) -> tuple[NDArray[Any], ...]:
    planes = [_thumbnails(plane) for plane in _planes(chunk)]
    thumbnails = np.concatenate([plane.reshape(len(plane), -1) for plane in planes], axis=1)
    return (
        sample_hashes(chunk),
        np.concatenate([_perceptual(plane) for plane in planes], axis=1),
        thumbnails,
        np.array([len(zlib.compress(each.data, 1)) < LEAST_BYTES for each in thumbnails]),
        _border(chunk, span),
        _histogram(chunk, span),
    )


def _planes(chunk: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """(n, C, H, W) of images themselves, or of the middle planes across each axis of volumes."""
    dims = chunk.ndim - 2
    if dims <= 2:
        yield chunk if dims == 2 else chunk[:, :, None]
        return
    for axis in range(2, chunk.ndim):
        plane = chunk.take(chunk.shape[axis] // 2, axis)
        yield plane.reshape(*plane.shape[:3], -1)


def _thumbnails(plane: NDArray[Any]) -> NDArray[np.uint8]:
    """(n, C, h, w) at most :data:`SIDE` a side, each scaled by its own range."""
    reduced = shrink(plane.astype(np.float32), SIDE)
    axes = (1, 2, 3)
    reduced = reduced - reduced.min(axis=axes, keepdims=True)
    highest = reduced.max(axis=axes, keepdims=True)
    bright = np.rint(reduced * (255 / np.where(highest > 0, highest, 1)))
    pixels: NDArray[np.uint8] = bright.astype(np.uint8)
    return pixels


def _perceptual(plane: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n, 64) perceptual hashes of the mean over channels."""
    from imagehash import phash
    from PIL import Image

    gray = plane.mean(axis=1).astype(np.uint8)
    return np.array([phash(Image.fromarray(each)).hash.reshape(-1) for each in gray])


def _border(chunk: NDArray[Any], span: tuple[float, float]) -> NDArray[np.float32]:
    """Mean and deviation along either end of each axis, and the share at the lowest value."""
    low, high = span
    columns = []
    for axis in range(2, chunk.ndim):
        width = max(1, chunk.shape[axis] // _BORDER)
        for end in (slice(None, width), slice(-width, None)):
            part = chunk[(slice(None),) * axis + (end,)].reshape(len(chunk), -1)
            values = (part.astype(np.float32) - low) / ((high - low) or 1)
            columns += [values.mean(axis=1), values.std(axis=1), (values <= 0).mean(axis=1)]
    return np.stack(columns, axis=1).astype(np.float32)


def _histogram(chunk: NDArray[Any], span: tuple[float, float]) -> NDArray[np.float32]:
    low, high = span
    span = (low, high if high > low else low + 1)
    values = chunk.astype(np.uint8) if chunk.dtype == bool else chunk
    counts = [np.histogram(sample, _BINS, span)[0] for sample in values]
    return np.array(counts, np.float32) / np.float32(chunk[0].size)
