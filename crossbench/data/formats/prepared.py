"""One file as one sample, brought to the form that a task's samples have."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats import dicom
from crossbench.data.formats.dicom import Series, read_dicom_picture, series_of
from crossbench.data.formats.nifti import NIFTI_SUFFIXES, VolumeForm, read_volume
from crossbench.data.formats.pictures import PICTURE_SUFFIXES, decode_picture, in_channels
from crossbench.data.formats.resampling import fitted, respace, sides_at
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.preparation import Preparation

#: Share by which spacings may differ and still count as one.
SAME_SPACING = 0.01

_MOST_VOXELS = 1 << 31  # of a volume at another spacing: far more than any scanner gives


def is_picture(file: Path) -> bool:
    """Whether a file's name says that it is a picture."""
    return file.name.lower().endswith(PICTURE_SUFFIXES)


def is_nifti(file: Path) -> bool:
    """Whether a file's name says that it is NIfTI."""
    return file.name.lower().endswith(NIFTI_SUFFIXES)


def read_prepared(file: Path, preparation: Preparation) -> NDArray[Any]:
    """One sample of a picture, a NIfTI file, or a DICOM file or folder of one series.

    Args:
        file: The file or folder.
        preparation: What was done with the files that the task's data file was made of.

    Returns:
        (C, *spatial) in the dtype of the file, or float32 where its numbers are scaled.

    Raises:
        DataError: If the file is damaged or cannot be brought to that form.
    """
    if is_picture(file):
        pixels, _ = decode_picture(file, upright=preparation.upright)
        return _prepared_picture(pixels, preparation, where=str(file))
    if is_nifti(file):
        return _prepared_volume(*read_volume(file), preparation, where=str(file))
    return prepared_series(series_of(file, dicom_choice(preparation)), preparation)


def prepared_series(series: Series, preparation: Preparation) -> NDArray[Any]:
    """One sample of a DICOM series; as :func:`read_prepared`."""
    where = str(series.files[0])
    if series.kind == "picture":
        picture = read_dicom_picture(series.files[0], frame=preparation.dicom_frame)
        return _prepared_picture(picture.pixels, preparation, where=where)
    volume = dicom.read_volume(series)
    return _prepared_volume(volume.voxels[None], dicom_form(volume), preparation, where=where)


def dicom_form(volume: dicom.Volume) -> VolumeForm:
    """Facts of a DICOM volume in the form of those of a NIfTI header."""
    import nibabel

    nib: Any = nibabel
    return VolumeForm(
        shape=(1, *volume.voxels.shape),
        dtype=volume.voxels.dtype.name,
        spacing=volume.spacing,
        codes="DICOM",
        tilt=float(np.degrees(nib.affines.obliquity(volume.affine).max())),
        scaled=False,
    )


def dicom_choice(stated: Any) -> dicom.Choice:
    """The choice that attributes ``dicom_volume`` and so on of a preparation, say, state."""
    names = [field.name for field in fields(dicom.Choice)]
    return dicom.Choice(**{name: getattr(stated, f"dicom_{name}") for name in names})


def dicom_keys(choice: dicom.Choice) -> dict[str, Any]:
    """The same as keys of a preparation."""
    return {f"dicom_{field.name}": getattr(choice, field.name) for field in fields(choice)}


def _prepared_picture(
    pixels: NDArray[Any], preparation: Preparation, *, where: str
) -> NDArray[Any]:
    pixels = in_channels(pixels, preparation.channels)
    sample = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return _sized(sample, preparation, where=where)


def _prepared_volume(
    sample: NDArray[Any], form: VolumeForm, preparation: Preparation, *, where: str
) -> NDArray[Any]:
    return _sized(placed(sample, form, preparation, where=where), preparation, where=where)


def _sized(sample: NDArray[Any], preparation: Preparation, *, where: str) -> NDArray[Any]:
    if len(sample) != preparation.channels:
        have, need = len(sample), preparation.channels
        raise DataError(f"{where}: channels: {have}, of the task's samples: {need}; convert it")
    if preparation.size is not None:
        if len(preparation.size) != sample.ndim - 1:
            raise DataError(f"{where}: {sample.ndim - 1}D, and the task's samples are not")
        sample = fitted(sample, preparation.size, preparation.fit)
    if sample.dtype.kind == "f" and not np.isfinite(sample).all():
        raise DataError(f"{where}: has NaN or infinite values; replace them by a number")
    return sample


def placed(
    sample: NDArray[Any], form: VolumeForm, preparation: Preparation, *, where: str
) -> NDArray[Any]:
    """A volume at the spacing of the task's.

    Args:
        sample: (C, D, H, W), turned to RAS.
        form: What its header says.
        preparation: What is asked for.
        where: What error messages name.

    Raises:
        DataError: If it states no orientation or has another spacing, and the task's volumes all
            state one or are not resampled.
    """
    if preparation.orientation and not form.codes and not preparation.unoriented:
        msg = f"{where}: states no orientation, as the task's volumes do; write its affine"
        raise DataError(f"{msg} with a code (sform or qform)")
    wanted = preparation.spacing
    if wanted is None or form.spacing == wanted:
        return sample
    if preparation.resampled:
        sides = sides_at(wanted, sample.shape[1:], form.spacing)
        if math.prod(sides) > _MOST_VOXELS:
            have, need = (" x ".join(f"{mm:g}" for mm in each) for each in (form.spacing, wanted))
            msg = f"{where}: its spacing is {have} mm (DxHxW), and at {need} mm it would have"
            raise DataError(f"{msg} {math.prod(sides):,} voxels; write its spacing anew")
        return respace(sample, form.spacing, wanted)
    if not is_spaced(form.spacing, wanted):
        have, need = ("x".join(f"{mm:.3g}" for mm in each) for each in (form.spacing, wanted))
        msg = f"{where}: its spacing is {have} mm (DxHxW), that of the task's volumes {need}"
        raise DataError(f"{msg}; resample it to that")
    return sample


def is_spaced(spacing: Sequence[float], other: Sequence[float]) -> bool:
    """Whether two spacings are the same but for rounding."""
    return bool(np.allclose(spacing, other, rtol=SAME_SPACING, atol=0))
