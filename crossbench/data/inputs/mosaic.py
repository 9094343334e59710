"""Random mosaics: the synthetic twins of tasks of images and volumes.

Each sample is a random mosaic. The class sets how much of it is bright and how coarse it is,
which survives cropping, flips, rotation and rescaling of the intensities; illumination,
contrast, noise, each patient's own deviation and a few atypical samples blur it.

Only exact arithmetic is used (uniform draws, sums, products), so that a phantom is the same
on every machine.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

_SAMPLES = 216  # about; each class has at least _FEWEST
_FEWEST = 6
_LARGEST_GROUP = 4
_SHORTEST_SIDE = 8

_STEP, _SPAN = 0.4, 0.9  # share of bright cells: from class to class, and over all of them
_CELLS = (2, 5, 3, 8)  # pixels a cell, in turn over the classes
_DEVIATION = 0.3  # of a step, drawn for a patient and again for a sample
_ATYPICAL = 0.1  # share of samples that look like any class, so that no method is perfect
_NOISE = 0.15  # from voxel to voxel
_SLOPE = 0.2  # illumination, from edge to edge


def draw_phantom(
    card: TaskCard, *, dims: int, side: int, channels_last: bool = False
) -> dict[str, NDArray[Any]]:
    """The arrays of a task's phantom, the same for the same card.

    Args:
        card: Its shape, channels, intensity range, classes, class counts and grouping are
            followed at reduced size.
        dims: Spatial axes.
        side: Longest side in pixels.
        channels_last: Whether several channels are stored last or second.

    Returns:
        ``images``: (N, *spatial), with channels if there are several, in the dtype that fits the
        card's intensity range; ``labels``: (N,) int64; and ``groups``: (N,) int64, one class a
        group, if the card has a group key.
    """
    seed = int.from_bytes(hashlib.sha256(card.name.encode()).digest()[:8], "little")
    rng = np.random.Generator(np.random.PCG64(seed))
    labels, groups = _samples(rng, _class_sizes(card))
    channels, shape = card.channels or 1, _shrunk(card.shape or (side,) * dims, side)
    values = _pictures(rng, labels, groups, len(card.classes), (channels, *shape))
    images = _stored(values, card.intensity or (0.0, 255.0))
    if channels == 1:
        images = images[:, 0]
    elif channels_last:
        images = np.ascontiguousarray(np.moveaxis(images, 1, -1))
    arrays = {"images": images, "labels": labels}
    return arrays | {"groups": groups} if card.group is not None else arrays


# ------------------------------------------------------------------ what the card fixes


def _class_sizes(card: TaskCard) -> list[int]:
    """Samples a class: in the card's proportions where known, else balanced."""
    counts = card.class_counts or (1,) * len(card.classes)
    return [max(_FEWEST, round(_SAMPLES * count / sum(counts))) for count in counts]


def _shrunk(shape: tuple[int, ...], side: int) -> tuple[int, ...]:
    """A shape with a small longest side, roughly in proportion."""
    scale = min(1.0, side / max(shape))
    return tuple(min(size, max(_SHORTEST_SIDE, round(size * scale))) for size in shape)


def _stored(values: NDArray[np.float32], intensity: tuple[float, float]) -> NDArray[Any]:
    """Values in [0, 1] stretched to a range and stored in the dtype that suits it."""
    low, high = intensity
    stretched: NDArray[np.float32] = np.float32(low) + values * np.float32(high - low)
    if (low, high) == (0, 255):
        return np.rint(stretched).astype(np.uint8)
    whole = low.is_integer() and high.is_integer() and high - low >= 255
    if whole and np.iinfo(np.int16).min <= low and high <= np.iinfo(np.int16).max:
        return np.rint(stretched).astype(np.int16)
    return stretched


# ------------------------------------------------------------------- what is drawn


def _samples(
    rng: np.random.Generator, sizes: list[int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels and groups in a drawn order; a group is 1 to 4 samples of one class."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    groups: list[int] = []
    for size in sizes:
        largest = min(_LARGEST_GROUP, max(1, size // 5))  # five folds find a group each
        end = len(groups) + size
        while len(groups) < end:
            members = min(int(rng.integers(1, largest + 1)), end - len(groups))
            groups += [groups[-1] + 1 if groups else 0] * members
    order = rng.permutation(len(labels))
    return labels[order], np.array(groups)[order]


def _pictures(
    rng: np.random.Generator,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    num_classes: int,
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """(N, C, *spatial) values in [0, 1]."""
    samples, axes = len(labels), len(shape) - 1
    per_sample = (samples, 1) + (1,) * axes
    atypical = rng.random(samples) < _ATYPICAL
    looks = np.where(atypical, rng.integers(0, num_classes, samples), labels)
    step = min(_STEP, _SPAN / (num_classes - 1))
    deviation = _DEVIATION * step
    bright = 0.5 + step * (looks.astype(np.float64) - (num_classes - 1) / 2)
    bright += rng.uniform(-deviation, deviation, groups.max() + 1)[groups]
    bright += rng.uniform(-deviation, deviation, samples)
    cells = np.array(_CELLS)[looks % len(_CELLS)]
    mosaic = _mosaic(rng, bright, cells, shape[1:])[:, None]

    contrast = rng.uniform(0.4, 0.8, (samples, shape[0]) + (1,) * axes).astype(np.float32)
    values = mosaic * contrast
    for axis in range(axes):
        ramp = np.linspace(0.0, 1.0, shape[1 + axis], dtype=np.float32)
        slope = rng.uniform(0.0, _SLOPE / axes, per_sample).astype(np.float32)
        values += slope * ramp.reshape((-1,) + (1,) * (axes - 1 - axis))
    values += _NOISE * rng.random(values.shape, dtype=np.float32)
    return np.clip(values, 0.0, 1.0, out=values)


def _mosaic(
    rng: np.random.Generator,
    bright: NDArray[np.float64],
    cells: NDArray[np.int64],
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """(N, *spatial) of ones and zeros in square cells, a share ``bright`` of them one."""
    samples, axes = len(bright), len(shape)
    lattice_shape = (samples, *(size // min(_CELLS) + 2 for size in shape))
    lattice = rng.random(lattice_shape, dtype=np.float32) < bright.reshape(-1, *(1,) * axes)
    index = [np.arange(samples).reshape(-1, *(1,) * axes)]
    for axis, size in enumerate(shape):
        offset = rng.integers(0, cells)[:, None]
        position = (np.arange(size) + offset) // cells[:, None]
        index.append(position.reshape(samples, *(1,) * axis, size, *(1,) * (axes - 1 - axis)))
    return lattice[tuple(index)].astype(np.float32)
