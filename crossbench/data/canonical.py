"""From arrays as people store them to the one shape every later stage sees.

Images come back as views: no copy, the stored dtype. Every error says where and what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.npz import chunks
from crossbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.specs import Dimension

_CHANNELS: dict[Dimension, tuple[int, ...]] = {2: (1, 3), 3: (1, 2, 3)}
_MIN_SAMPLES = 2
_MAX_ITEM_BYTES = 8  # extended precision has no counterpart on an accelerator


def canonical_images(
    images: NDArray[Any], dimension: Dimension, *, where: str, least: int = _MIN_SAMPLES
) -> NDArray[Any]:
    """Images as (N, C, H, W), volumes as (N, C, D, H, W).

    Stored images may be (N, H, W), (N, H, W, C) or (N, C, H, W) with C of 1 or 3; volumes
    (N, D, H, W), (N, C, D, H, W) or (N, D, H, W, C) with C of 1, 2 or 3. Volumes without a
    channel axis that are deeper than wide are taken as (N, W, H, D), as the paper's authors
    store Mosmed.

    Args:
        images: Array of a real dtype of at most 64 bits.
        dimension: 2 for images, 3 for volumes.
        where: File that error messages name.
        least: How many samples there must be.

    Returns:
        A view.

    Raises:
        DataError: If dtype, rank, channels or the number of samples do not fit.
    """
    if images.dtype.kind not in "biuf" or images.dtype.itemsize > _MAX_ITEM_BYTES:
        msg = f"{where}: images are {images.dtype}; they must be real numbers of at most 64 bits"
        raise DataError(msg)
    if images.ndim not in (dimension + 1, dimension + 2):
        axes = "(N, H, W)" if dimension == 2 else "(N, D, H, W)"
        msg = (
            f"{where}: images have shape {images.shape}; a {dimension}D task needs {axes},"
            " with channels second or last if there are any"
        )
        raise DataError(msg)
    if len(images) < least or images.size == 0:
        samples = "sample is" if least == 1 else "samples are"
        msg = f"{where}: images have shape {images.shape}; at least {least} {samples} needed"
        raise DataError(msg)
    if images.ndim == dimension + 2:
        return _channels_second(images, _CHANNELS[dimension], where=where)
    if dimension == 3 and images.shape[1] > images.shape[3]:
        images = images.transpose(0, 3, 2, 1)
    return images[:, None]


def _channels_second(images: NDArray[Any], allowed: tuple[int, ...], *, where: str) -> NDArray[Any]:
    if images.shape[-1] in allowed:
        return np.moveaxis(images, -1, 1)
    if images.shape[1] in allowed:
        return images
    msg = (
        f"{where}: images have shape {images.shape}; the second or the last axis must hold"
        f" {' or '.join(map(str, allowed))} channels"
    )
    raise DataError(msg)


def canonical_labels(
    labels: NDArray[Any], *, samples: int, num_classes: int, where: str
) -> NDArray[np.int64]:
    """Labels (N,) or (N, 1) as (N,) int64 in [0, num_classes).

    Raises:
        DataError: If they are not one whole number a sample within the card's classes.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape != (samples,):
        msg = f"{where}: labels have shape {labels.shape}; {samples} images need ({samples},)"
        raise DataError(msg)
    if labels.dtype.kind not in "biuf":
        msg = f"{where}: labels are {labels.dtype}; they must be whole numbers"
        raise DataError(msg)
    # NaN fails every comparison, so it is caught by the second of these.
    for fits, fault in (
        (labels == np.floor(labels), "not a whole number"),
        (
            (labels >= 0) & (labels < num_classes),
            f"not in 0..{num_classes - 1}, the card's classes",
        ),
    ):
        if not fits.all():
            sample = int(np.argmin(fits))
            msg = f"{where}: the label of sample {sample} is {labels[sample]}, {fault}"
            raise DataError(msg)
    return labels.astype(np.int64)


def canonical_groups(groups: NDArray[Any], *, samples: int, where: str) -> NDArray[np.int64]:
    """Group identifiers (N,) or (N, 1), whole numbers or strings, as int64 codes from 0.

    Raises:
        DataError: If there is not one identifier a sample.
    """
    if groups.ndim == 2 and groups.shape[1] == 1:
        groups = groups[:, 0]
    if groups.shape != (samples,) or groups.dtype.kind not in "iuSU":
        msg = (
            f"{where}: groups are {groups.dtype} of shape {groups.shape};"
            f" {samples} images need ({samples},) whole numbers or strings"
        )
        raise DataError(msg)
    _, codes = np.unique(groups, return_inverse=True)
    return codes.astype(np.int64)


def check_finite(images: NDArray[Any], *, where: str) -> None:
    """Refuse NaN and infinite voxels; integers are taken as they are.

    Raises:
        DataError: Naming the first sample that has any.
    """
    if images.dtype.kind != "f":
        return
    start = 0
    for chunk in chunks(images):
        finite = np.isfinite(chunk).reshape(len(chunk), -1).all(axis=1)
        if not finite.all():
            sample = start + int(np.argmin(finite))
            msg = f"{where}: sample {sample} has NaN or infinite voxels"
            raise DataError(msg)
        start += len(chunk)
