"""Samples from files of many kinds, for a network that is already fitted."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from PIL import Image

from crossbench.data.canonical import canonical_images
from crossbench.data.formats.npz import map_npy
from crossbench.data.formats.pictures import check_picture, is_gray
from crossbench.data.sources import stored_images
from crossbench.data.survey import survey
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_NIFTI = (".nii", ".nii.gz")


def read_samples(file: Path, *, shape: tuple[int, ...], axes: str | None = None) -> NDArray[Any]:
    """The samples of one file, in the form that a task's samples have.

    - ``.npz`` holds a stack under ``images``, as a task's own file does (MedMNIST's arrays
      ``train_images`` etc. are taken one after the other); labels are not looked at.
    - ``.npy`` holds one sample or a stack: with as many axes as there are in space, one gray
      sample; with two more, a stack; with one more, a stack where the task is gray and one
      sample with channels where it is not.
    - A picture is one 2D sample. A gray task takes colour pictures whose channels are equal; a
      task of three channels takes gray ones.
    - NIfTI is one 3D sample if nibabel is installed: voxels (x, y, z) become (z, y, x), neither
      resampled nor turned.

    Args:
        file: The file; its ending says what it is.
        shape: (C, *spatial) of a sample of the task. Images may be of any size, volumes must
            be of this one.
        axes: The stored order of the axes in space of ``.npz`` and ``.npy``, as on the task's
            card; None for ``HW`` or ``DHW``.

    Returns:
        (N, C, *spatial) in the stored dtype.

    Raises:
        DataError: If the file is missing, damaged, of an unknown kind, or holds something else;
            the message names it and the remedy.
    """
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    stacked = _reader(file)(file, shape)
    dimension = cast("Literal[2, 3]", len(shape) - 1)
    if not file.name.lower().endswith((".npz", ".npy")):
        axes = None  # pictures and NIfTI say themselves what is what
    images = canonical_images(stacked, dimension, where=str(file), axes=axes, least=1)
    _check_shape(images.shape[1:], shape, where=str(file))
    survey(images, where=str(file))  # refuses NaN
    return images


def _reader(file: Path) -> Callable[[Path, tuple[int, ...]], NDArray[Any]]:
    """What reads files of this ending as a stack, channels second or last if there are any."""
    name = file.name.lower()
    if name.endswith(".npz"):
        return lambda file, _: stored_images(file)
    if name.endswith(".npy"):
        return _array
    if name.endswith(_PICTURES):
        return _picture
    if name.endswith(_NIFTI):
        return _nifti
    known = ", ".join([".npz", ".npy", *_PICTURES, *_NIFTI])
    raise DataError(f"{file}: files of this kind are not read; convert it to one of {known}")


def _check_shape(found: tuple[int, ...], shape: tuple[int, ...], *, where: str) -> None:
    channels, *space = found
    if channels != shape[0]:
        have, need = _channels(channels), _channels(shape[0])
        msg = f"{where}: samples have {have}, the network was fitted to {need}; convert them"
        raise DataError(msg)
    if len(shape) == 4 and tuple(space) != shape[1:]:
        have, need = ("x".join(map(str, sides)) for sides in (space, shape[1:]))
        msg = (
            f"{where}: volumes are {have}, the network was fitted to {need} (DxHxW); "
            "volumes are fed as they are, so resample them to that"
        )
        raise DataError(msg)


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


# ------------------------------------------------------------------------- kinds of files


def _array(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    array = map_npy(file)
    dimension = len(shape) - 1
    extra = array.ndim - dimension
    if extra not in (0, 1, 2):
        msg = (
            f"{file}: an array of shape {array.shape} is no {dimension}D sample and no stack of "
            f"them, which have {dimension} to {dimension + 2} axes"
        )
        raise DataError(msg)
    one = extra == 0 or (extra == 1 and shape[0] > 1)
    return np.asarray(array)[None] if one else np.asarray(array)


def _picture(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    if len(shape) == 4:
        msg = f"{file}: a picture is no volume; this network takes .npz, .npy or NIfTI files"
        raise DataError(msg)
    try:
        with Image.open(file) as picture:
            check_picture(picture, deep_gray=True)
            colour = not is_gray(picture)
            pixels = np.asarray(picture.convert("RGB") if colour else picture)
    except Exception as error:  # decoders raise what they like
        raise DataError(f"{file}: cannot be read as a picture ({error}); save it anew") from error
    if colour and shape[0] == 1 and (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    if not colour and shape[0] == 3:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    return pixels[None]


def _nifti(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    if len(shape) == 3:
        msg = f"{file}: a volume is no image; this network takes pictures, .npz or .npy files"
        raise DataError(msg)
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
    _check_shape(form, shape, where=str(file))  # before the gigabytes a damaged header claims
    try:
        voxels: NDArray[Any] = np.asanyarray(volume.dataobj)
    except Exception as error:
        raise _no_nifti(file, error) from error
    turned = voxels.T  # (z, y, x), or (channel, z, y, x)
    return turned[None, None] if voxels.ndim == 3 else turned[None]


def _no_nifti(file: Path, error: Exception) -> DataError:
    why = str(error) or type(error).__name__
    return DataError(f"{file}: cannot be read as NIfTI ({why}); get it again")
