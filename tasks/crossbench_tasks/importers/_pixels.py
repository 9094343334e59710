"""Bringing pictures and volumes to the size of a task's samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from crossbench.data.formats.nifti import volume_form
from crossbench.data.formats.pictures import read_picture
from crossbench.errors import DataError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_FILTERS = {name.lower(): Image.Resampling[name] for name in ("NEAREST", "BILINEAR", "BICUBIC")}
_MOST_VOXELS = 1 << 28  # of one file; the largest that is published has 20 million


def gray_picture(file: Path) -> NDArray[Any]:
    """A gray picture of 8 bits, (H, W); a colour one of equal channels is gray.

    Raises:
        DataError: If it is damaged, has colours or more bits.
    """
    pixels: NDArray[Any] = read_picture(file, (1, 0, 0))[0]
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        what = f"{pixels.dtype} of shape {pixels.shape}"
        raise DataError(f"{file}: is no gray picture of 8 bits ({what}); get it again")
    return pixels


def resized(pixels: NDArray[Any], size: int, name: str) -> NDArray[Any]:
    """A gray picture, (H, W) uint8 or float32, as a square, its aspect not kept.

    Raises:
        RequestError: If the filter is unknown.
    """
    if name not in _FILTERS:
        raise RequestError(f"option resample is {name!r}; it must be one of {', '.join(_FILTERS)}")
    picture = Image.fromarray(pixels)
    return np.asarray(picture.resize((size, size), _FILTERS[name]))


def in_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    """A gray picture as it is for one channel, else repeated as (C, H, W)."""
    return pixels if channels == 1 else np.repeat(pixels[None], channels, axis=0)


def unit_range(voxels: NDArray[Any], low: float, high: float) -> NDArray[np.float32]:
    """Voxels cut off below ``low`` and above ``high``, and scaled so that these are 0 and 1."""
    scaled = voxels.astype(np.float32)
    np.clip(scaled, low, high, out=scaled)
    scaled -= np.float32(low)
    scaled /= np.float32((high - low) or 1)
    return scaled


def zoomed(voxels: NDArray[Any], shape: Sequence[int]) -> NDArray[np.float32]:
    """A volume of another shape by linear interpolation, corner voxels kept in the corners."""
    from scipy.ndimage import zoom

    factors = [side / length for side, length in zip(shape, voxels.shape, strict=True)]
    made: NDArray[np.float32] = zoom(voxels, factors, order=1, output=np.float32)
    return made


def stored_nifti(file: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels (x, y, z) of a NIfTI file as they are stored, scaled as it says, and its affine.

    Raises:
        DataError: If it is damaged, or holds more than one volume.
    """
    import nibabel

    form = volume_form(file)
    if form.shape[0] != 1 or np.prod(form.shape) > _MOST_VOXELS:
        raise DataError(f"{file}: shape {form.shape} (C, D, H, W) is not one volume; get it again")
    try:
        volume: Any = nibabel.load(file)
        proxy = volume.dataobj
        voxels = proxy.get_scaled(np.float32) if form.scaled else np.asanyarray(proxy)
        affine = np.asarray(volume.affine, np.float64)
    except Exception as error:  # damage is taken for many things
        why = str(error) or type(error).__name__
        raise DataError(f"{file}: cannot be read as NIfTI ({why}); get it again") from error
    return voxels.reshape(voxels.shape[:3]), affine
