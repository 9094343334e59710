"""A few samples of each class as one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE = 96
_GAP = 4


def montage(images: NDArray[Any], chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Some samples beside each other; of volumes, the middle slices in three planes, stacked.

    Args:
        images: (N, C, H, W) or (N, C, D, H, W) of any real dtype; two channels are shown as
            one, the first.
        chosen: (M,) indices of the samples to show, M >= 1.

    Returns:
        (height, width, 3) picture, each sample scaled to [0, 255] by its own range.
    """
    columns = [np.vstack([_tile(plane) for plane in _planes(images[place])]) for place in chosen]
    return np.hstack(columns)


def evenly(labels: NDArray[np.int64], label: int, count: int) -> NDArray[np.int64]:
    """Indices of up to ``count`` samples of a class, evenly spread over all of them."""
    of_class = np.flatnonzero(labels == label)
    places = np.linspace(0, len(of_class) - 1, min(count, len(of_class)))
    return of_class[np.round(places).astype(np.int64)]


def _planes(sample: NDArray[Any]) -> list[NDArray[Any]]:
    """The image (C, H, W), or a volume's middle axial, coronal and sagittal slices."""
    scaled = _scaled(sample)
    if scaled.ndim == 3:
        return [scaled]
    depth, height, width = (length // 2 for length in scaled.shape[1:])
    return [scaled[:, depth], scaled[:, :, height], scaled[:, :, :, width]]


def _scaled(sample: NDArray[Any]) -> NDArray[np.uint8]:
    values = sample.astype(np.float64)
    low, high = values.min(), values.max()
    scaled: NDArray[np.uint8] = ((values - low) / (high - low or 1) * 255).astype(np.uint8)
    return scaled


def _tile(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A (C, H, W) plane as a square RGB tile with a gap to the next, in nearest pixels."""
    gray = plane if plane.shape[0] == 3 else np.repeat(plane[:1], 3, axis=0)
    _, height, width = gray.shape
    longest = max(height, width)
    rows, columns = (np.arange(_SIDE) * longest // _SIDE for _ in range(2))
    square = np.zeros((longest, longest, 3), np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = gray.transpose(1, 2, 0)
    tile = np.full((_SIDE + _GAP, _SIDE + _GAP, 3), 128, np.uint8)
    tile[:_SIDE, :_SIDE] = square[np.ix_(rows, columns)]
    return tile
