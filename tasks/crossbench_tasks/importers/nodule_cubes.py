"""Cubes of CT about lung nodules of LIDC-IDRI, as both of its importers cut them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.importers.options import real
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

#: Options of both importers: millimetres of a voxel, voxels of a side, bounds in HU.
CUBE: dict[str, Option] = {"spacing": 1.0, "side": 32, "lowest": -1000, "highest": 400}

_PATIENT = re.compile(r"LIDC-IDRI-(\d{4})")


def cut_cube(
    voxels: NDArray[Any],
    centre: Sequence[float] | NDArray[np.float64],
    spacing: Sequence[float],
    options: Mapping[str, Option],
) -> NDArray[np.int16]:
    """Sample a cube linearly, edges continued, intensities clipped and rounded.

    Args:
        voxels: (D, H, W) in HU.
        centre: Centre of the cube in voxels along each axis.
        spacing: Millimetres between voxels along each axis.
        options: As in :data:`CUBE`.

    Returns:
        (side, side, side) int16 HU.
    """
    from scipy.ndimage import affine_transform

    side, lowest, highest = (real(options, name) for name in ("side", "lowest", "highest"))
    step = real(options, "spacing") / np.asarray(spacing, float)
    corner = np.asarray(centre, float) - step * (side - 1) / 2
    cube = affine_transform(
        voxels.astype(np.float32),
        step,
        corner,
        output_shape=(int(side),) * 3,
        order=1,
        mode="nearest",
    )
    return np.rint(np.clip(cube, lowest, highest)).astype(np.int16)


def patient_number(patient: str, *, where: str) -> str:
    """The number in a patient's identifier, by which all tasks of the cohort know the patient.

    Raises:
        DataError: If it is of another form.
    """
    match = _PATIENT.fullmatch(patient)
    if match is None:
        raise DataError(f"{where}: patient {patient!r} is not of the form LIDC-IDRI-0001")
    return str(int(match[1]))
