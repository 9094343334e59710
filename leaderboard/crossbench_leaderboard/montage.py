"""A few samples of each class as one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.data.inputs import InputKind

_SIDE = 96
_GAP = 4


def montage(kind: InputKind, images: NDArray[Any], chosen: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Some samples beside each other, the pictures of each below one another.

    Args:
        kind: What the samples are.
        images: (N, C, *spatial) of any real dtype.
        chosen: (M,) indices of the samples to show, M >= 1.

    Returns:
        (height, width, 3) picture, each sample scaled to [0, 255] by its own range.
    """
    columns = [
        np.vstack([_tile(picture) for picture in kind.pictures(images[place])]) for place in chosen
    ]
    return np.hstack(columns)


def evenly(labels: NDArray[np.int64], label: int, count: int) -> NDArray[np.int64]:
    """Indices of up to ``count`` samples of a class, evenly spread over all of them."""
    of_class = np.flatnonzero(labels == label)
    places = np.linspace(0, len(of_class) - 1, min(count, len(of_class)))
    return of_class[np.round(places).astype(np.int64)]


def _tile(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An (H, W, 3) picture as a square tile with a gap to the next, in nearest pixels."""
    height, width, _ = picture.shape
    longest = max(height, width)
    rows, columns = (np.arange(_SIDE) * longest // _SIDE for _ in range(2))
    square = np.zeros((longest, longest, 3), np.uint8)
    top, left = (longest - height) // 2, (longest - width) // 2
    square[top : top + height, left : left + width] = picture
    tile = np.full((_SIDE + _GAP, _SIDE + _GAP, 3), 128, np.uint8)
    tile[:_SIDE, :_SIDE] = square[np.ix_(rows, columns)]
    return tile
