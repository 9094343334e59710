"""LIDC-IDRI nodules as volumes of interest: NIfTI volumes, masks, and a table of ratings.

Layout: ``image/`` and ``nodule_mask/`` with one ``PATIENT_R_NODULE.nii.gz`` a nodule, and beside
them a table (``.xlsx`` or ``.csv``) with a row a nodule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.formats.nifti import read_volume
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.errors import DataError
from crossbench_tasks.importers._files import read_table
from crossbench_tasks.importers.nodule_cubes import CUBE, cut_cube, patient_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_IMAGES, _MASKS = "image", "nodule_mask"
_COLUMNS = ("patient_id", "nodule_id", "diameter_mm", "Diagnosis_value")


class LidcVoi(Importer):
    """Cubes of CT about the centres of masked nodules."""

    name = "lidc-voi"
    defaults: ClassVar[Mapping[str, Option]] = CUBE
    needs = ("nibabel", "openpyxl")
    unpacks = ()

    def list(self, source: Distribution) -> Listing:
        """The rows of the table that have a volume and a mask."""
        samples, dropped = [], []
        for row in _read_table(source.folder).itertuples(index=False):  # type: Any
            name = f"{row.patient_id}_R_{row.nodule_id}"
            files = tuple(f"{part}/{name}.nii.gz" for part in (_IMAGES, _MASKS))
            if lacking := [file for file in files if not (source.folder / file).is_file()]:
                dropped.append((name, f"the table's row has no file {' and no '.join(lacking)}"))
                continue
            sample = Original(
                id=name,
                label=_label(source.folder, name, row.Diagnosis_value),
                files=files,
                group=patient_number(str(row.patient_id), where=str(source.folder)),
                covariate=float(row.diameter_mm),
            )
            samples.append(sample)
        return Listing(samples=tuple(samples), dropped=tuple(dropped))

    def read(self, source: Distribution, sample: Original) -> NDArray[np.int16]:
        """(side, side, side) int16 HU about the centre of the mask's bounding box."""
        (image, form), (mask, other) = (read_volume(source.folder / file) for file in sample.files)
        if image.shape != mask.shape or form.spacing != other.spacing:
            found = f"{image.shape} at {form.spacing} mm, its mask {mask.shape} at {other.spacing}"
            raise DataError(
                f"{source.folder / sample.files[0]}: the volume is {found}; get both again"
            )
        inside = np.argwhere(mask[0])
        if not len(inside):
            raise DataError(f"{source.folder / sample.files[1]}: the mask is empty; get it again")
        centre = (inside.min(axis=0) + inside.max(axis=0)) / 2
        return cut_cube(image[0], centre, form.spacing, source.options)


def _read_table(folder: Path) -> Any:
    """The one table of a folder, its columns checked."""
    import pandas as pd

    files = [file for file in sorted(folder.glob("*")) if file.suffix in (".xlsx", ".csv")]
    if len(files) != 1:
        found = ", ".join(file.name for file in files) or "none"
        msg = f"{folder}: one table of nodules (.xlsx or .csv) is needed beside {_IMAGES}/; found"
        raise DataError(f"{msg} {found}")
    (file,) = files
    read = pd.read_excel if file.suffix == ".xlsx" else pd.read_csv
    table = read_table(file, _COLUMNS, lambda: read(file))
    return table.loc[:, list(_COLUMNS)]


def _label(folder: Path, name: str, value: object) -> int:
    if value not in (0, 1):
        msg = (
            f"{folder}: Diagnosis_value of {name} is {value!r}; it must be 0 benign or 1 malignant"
        )
        raise DataError(msg)
    return int(value)
