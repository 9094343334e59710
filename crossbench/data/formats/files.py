"""Samples from files of many kinds, for a network that is already fitted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.dicom.bounds import is_dicom
from crossbench.data.formats.npz import map_npy
from crossbench.data.formats.prepared import read_prepared
from crossbench.data.formats.shapes import check_shape
from crossbench.data.sources import stored_samples
from crossbench.data.survey import survey
from crossbench.errors import DataError
from crossbench.specs.preparation import Preparation

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.inputs import InputKind


def read_samples(
    file: Path,
    *,
    kind: InputKind,
    shape: tuple[int, ...],
    axes: str | None = None,
    preparation: Preparation | None = None,
) -> NDArray[Any]:
    """The samples of one file, in the form that a task's samples have.

    - ``.npz`` holds a stack under ``images``, as a task's own file does (MedMNIST's arrays
      ``train_images`` etc. are taken one after the other); labels are not looked at.
    - ``.npy`` holds one sample or a stack: with as many axes as there are in space, one gray
      sample; with two more, a stack; with one more, a stack where the task is gray and one
      sample with channels where it is not.
    - A DICOM file, or a folder of one series, is known by its content, whatever it is called.
    - Further endings are the kind's: pictures for images, NIfTI for volumes. Where the task's
      data file was made of such files, the same is done with this one.

    Args:
        file: The file; its ending says what it is. Of DICOM, also a folder.
        kind: What the task's samples are.
        shape: (C, *spatial) of a sample of the task. Samples of a kind that is ``sized`` may be
            of any size, others must be of this one.
        axes: The stored order of the axes in space of ``.npz`` and ``.npy``, as on the task's
            card; None for the kind's.
        preparation: How single files became samples of the task; None reads them as they are.

    Returns:
        (N, C, *spatial) in the stored dtype.

    Raises:
        DataError: If the file is missing, damaged, of an unknown kind, or holds something else;
            the message names it and the remedy.
    """
    if not file.exists():
        raise DataError(f"{file}: no such file")
    where, name = str(file), file.name.lower()
    if name.endswith(".npz"):
        arrays = stored_samples(file, kind)
    elif name.endswith(".npy"):
        arrays = {"images": _array(file, shape)}
    else:
        arrays, axes = {"images": _other(file, kind, shape, preparation)}, None
    images = kind.canonical(arrays, where=where, axes=axes, least=1)
    check_shape(images.shape[1:], shape, any_size=kind.sized, where=where)
    survey(images, where=where)  # refuses NaN
    return images


def _other(
    file: Path, kind: InputKind, shape: tuple[int, ...], preparation: Preparation | None
) -> NDArray[Any]:
    readers = kind.readers()
    for ending, read in readers.items():
        if file.name.lower().endswith(ending):
            return (
                read(file, shape) if preparation is None else read_prepared(file, preparation)[None]
            )
    if file.is_dir() or is_dicom(file):
        return _of_dicom(file, kind, preparation or Preparation(channels=shape[0]))
    known = ", ".join([".npz", ".npy", *readers, "DICOM"])
    raise DataError(f"{file}: this is no file of {kind.name}s; convert it to one of {known}")


def _of_dicom(file: Path, kind: InputKind, preparation: Preparation) -> NDArray[Any]:
    sample = read_prepared(file, preparation)
    if sample.ndim - 1 != kind.dims:
        found = "volume" if sample.ndim == 4 else "picture"
        raise DataError(f"{file}: a {found} of DICOM, and the network was fitted to {kind.name}s")
    return sample[None]


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
