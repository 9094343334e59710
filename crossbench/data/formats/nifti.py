"""NIfTI files, read by nibabel where it is installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.shapes import check_shape
from crossbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NIFTI_SUFFIXES = (".nii", ".nii.gz")


def read_nifti(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """One volume, (1, D, H, W) or (1, C, D, H, W): voxels (x, y, z) as (z, y, x), not resampled.

    Args:
        file: The file.
        shape: (C, D, H, W) that it must have.

    Raises:
        DataError: If it is damaged, of another shape, or nibabel is not installed.
    """
    if find_spec("nibabel") is None:
        msg = f"{file}: NIfTI files are read by nibabel, which is not installed"
        raise DataError(f"{msg}; pip install nibabel, or save the volume by numpy.save")
    import nibabel

    try:
        volume: Any = nibabel.load(file)
        stored = tuple(volume.shape)
    except Exception as error:  # a header that is damaged is taken for many things
        raise _no_nifti(file, error) from error
    if len(stored) not in (3, 4):
        raise DataError(f"{file}: voxels of shape {stored} are no volume (x, y, z)")
    form = (stored[3] if len(stored) == 4 else 1, *stored[2::-1])
    check_shape(form, shape, where=str(file))  # before the gigabytes a damaged header claims
    try:
        voxels: NDArray[Any] = np.asanyarray(volume.dataobj)
    except Exception as error:
        raise _no_nifti(file, error) from error
    turned = voxels.T  # (z, y, x), or (channel, z, y, x)
    return turned[None, None] if voxels.ndim == 3 else turned[None]


def _no_nifti(file: Path, error: Exception) -> DataError:
    why = str(error) or type(error).__name__
    return DataError(f"{file}: cannot be read as NIfTI ({why}); get it again")
