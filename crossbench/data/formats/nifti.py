"""NIfTI files, read by nibabel where it is installed."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.shapes import check_shape
from crossbench.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NIFTI_SUFFIXES = (".nii", ".nii.gz")

_DEFLATE_LIMIT = 1032  # bytes that one packed byte can hold
_UNITS = {1: 1000.0, 2: 1.0, 3: 0.001}  # millimetres in the units of length that a header names


@dataclass(frozen=True, kw_only=True)
class VolumeForm:
    """Facts of a volume's header.

    Attributes:
        shape: (C, D, H, W), turned to the nearest RAS where it states an orientation.
        dtype: Of the values that reading gives.
        spacing: Millimetres between voxels along D, H and W.
        codes: Where the stored axes x, y and z run to, such as ``LPS``; empty where not stated.
        tilt: Degrees between the axes and the nearest axes of the body.
        scaled: Whether stored numbers are scaled by the header.
    """

    shape: tuple[int, ...]
    dtype: str
    spacing: tuple[float, ...]
    codes: str
    tilt: float
    scaled: bool

    @property
    def acquisition(self) -> tuple[float, ...]:
        """Voxels and spacing along D, H and W, in which a shortcut may lie."""
        return (*self.shape[1:], *self.spacing)


def read_nifti(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """One volume, (1, D, H, W) or (1, C, D, H, W): voxels (x, y, z) as (z, y, x), not resampled.

    Args:
        file: The file.
        shape: (C, D, H, W) that it must have.

    Raises:
        DataError: If it is damaged, of another shape, or nibabel is not installed.
    """
    volume = _open(file)
    stored = tuple(volume.shape)
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


def volume_form(file: Path) -> VolumeForm:
    """Facts of the header of a NIfTI file; no voxel is read.

    Raises:
        DataError: If the file is no NIfTI file, holds no volume, or claims more than it can hold.
    """
    volume = _open(file)
    _check_claim(file, volume)
    order = _order(file, volume)
    stored = tuple(volume.shape)
    space = [0, 0, 0]
    spacing = [0.0, 0.0, 0.0]
    for axis, length in enumerate(_spacing(file, volume)):
        space[int(order[axis, 0])], spacing[int(order[axis, 0])] = stored[axis], length
    scaled = _is_scaled(volume)
    dtype = np.dtype(np.float32) if scaled else volume.get_data_dtype().newbyteorder("=")
    return VolumeForm(
        shape=(math.prod(stored[3:]), *space[::-1]),
        dtype=np.dtype(np.float32).name if dtype == np.float64 else dtype.name,
        spacing=tuple(float(f"{length:.6g}") for length in spacing[::-1]),
        codes=_codes(file, volume),
        tilt=_tilt(file, volume),
        scaled=scaled,
    )


def read_volume(file: Path) -> tuple[NDArray[Any], VolumeForm]:
    """One volume, (C, D, H, W), turned to the nearest RAS where it states an orientation.

    Axes are swapped and reversed, and nothing is resampled. Values of 64 bits, as scaling makes
    them, become float32.

    Raises:
        DataError: If it is damaged or no volume.
    """
    form, volume = volume_form(file), _open(file)
    try:
        voxels = np.asarray(volume.dataobj, np.float32 if form.scaled else None)
    except Exception as error:
        raise _no_nifti(file, error) from error
    voxels = voxels.reshape(*voxels.shape[:3], -1)
    turn = _nibabel(file).orientations.apply_orientation
    turned: NDArray[Any] = turn(voxels, _order(file, volume))  # (x, y, z, C)
    return turned.transpose(3, 2, 1, 0).astype(form.dtype, copy=False), form


def _open(file: Path) -> Any:
    nibabel = _nibabel(file)
    try:
        volume: Any = nibabel.load(file)
        _ = tuple(volume.shape)
    except Exception as error:  # a header that is damaged is taken for many things
        raise _no_nifti(file, error) from error
    return volume


def _nibabel(file: Path) -> Any:
    if find_spec("nibabel") is None:
        msg = f"{file}: NIfTI files are read by nibabel, which is not installed"
        raise DataError(f"{msg}; pip install nibabel, or save the volume by numpy.save")
    import nibabel

    return nibabel


def _check_claim(file: Path, volume: Any) -> None:
    """Refuse what is no volume of numbers, and gigabytes that a damaged header claims."""
    stored, dtype = tuple(volume.shape), volume.get_data_dtype()
    more = math.prod(stored[3:])
    if len(stored) < 3 or min(stored) < 1:
        raise DataError(f"{file}: voxels of shape {stored} are no volume (x, y, z)")
    if more > 3:
        msg = f"{file}: holds {more} volumes (shape {stored}), such as time points; save the one"
        raise DataError(f"{msg} that counts as a file of its own")
    if dtype.kind not in "iuf":
        raise DataError(f"{file}: voxels are {dtype}, no plain numbers; convert them")
    claimed, size = math.prod(stored) * dtype.itemsize, file.stat().st_size
    if claimed > size * (_DEFLATE_LIMIT if file.name.lower().endswith(".gz") else 1):
        msg = f"{file}: its header claims {claimed} bytes of voxels, more than its {size} can hold"
        raise DataError(f"{msg}; get it again")
    if claimed > os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"):
        raise DataError(f"{file}: takes {claimed} bytes, more than this machine's memory")


def _codes(file: Path, volume: Any) -> str:
    """Directions of the stored axes; empty where the header states no orientation."""
    header = volume.header
    if "sform_code" in header and not (int(header["sform_code"]) or int(header["qform_code"])):
        return ""
    return "".join(code or "?" for code in _nibabel(file).aff2axcodes(volume.affine))


def _order(file: Path, volume: Any) -> NDArray[Any]:
    """For each stored axis its place and direction in RAS, as nibabel has it."""
    if not _codes(file, volume):
        return np.array([[0, 1], [1, 1], [2, 1]])
    try:
        order: NDArray[Any] = _nibabel(file).orientations.io_orientation(volume.affine)
    except Exception as error:
        raise _no_nifti(file, error) from error
    if not np.isfinite(order).all():
        raise DataError(f"{file}: its affine leaves an axis without direction; write it anew")
    return order


def _spacing(file: Path, volume: Any) -> tuple[float, ...]:
    """Millimetres between voxels along x, y and z."""
    stated = _codes(file, volume)
    sizes = _nibabel(file).affines.voxel_sizes
    lengths = sizes(volume.affine) if stated else volume.header.get_zooms()[:3]
    unit = int(volume.header["xyzt_units"]) & 7 if "xyzt_units" in volume.header else 0
    spacing = tuple(float(length) * _UNITS.get(unit, 1.0) for length in lengths)
    if not all(math.isfinite(length) and length > 0 for length in spacing):
        raise DataError(f"{file}: the spacing of its voxels is {spacing} mm; write it anew")
    return spacing


def _tilt(file: Path, volume: Any) -> float:
    if not _codes(file, volume):
        return 0.0
    return float(np.degrees(_nibabel(file).affines.obliquity(volume.affine).max()))


def _is_scaled(volume: Any) -> bool:
    proxy = volume.dataobj
    return (getattr(proxy, "slope", 1.0), getattr(proxy, "inter", 0.0)) != (1.0, 0.0)


def _no_nifti(file: Path, error: Exception) -> DataError:
    why = str(error) or type(error).__name__
    return DataError(f"{file}: cannot be read as NIfTI ({why}); get it again")
