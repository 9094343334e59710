"""Sorting a hospital's export by its headers, and making a volume of a series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import made_dicom as made
import numpy as np
import pytest

from crossbench.data.formats.dicom import list_series, one_series, read_volume

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

SIDE = 512


def export(folder: Path, *, series: int, count: int) -> Path:
    """CT series of several patients, with a hundred private elements in each header."""
    pixels = np.random.default_rng(0).integers(0, 4000, (SIDE, SIDE)).astype("<u2").tobytes()
    for number in range(series):
        slices = made.axial(
            count, uid=20 + number, Rows=SIDE, Columns=SIDE, PixelData=pixels, PatientID=f"{number}"
        )
        for each in slices:
            each.add_new(0x00290010, "LO", "SIEMENS CSA HEADER")
            for element in range(100):
                each.add_new(0x00291000 + element, "LO", f"private value {element}")
        made.write(folder / f"{number}", slices)
    return folder


def test_list(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    benchmark.group = "headers of 2,000 CT slices in 10 series"
    series, count = (10, 200) if not benchmark.disabled else (2, 3)
    folder = export(tmp_path, series=series, count=count)
    assert len(benchmark(list_series, folder).series) == series


def test_read(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    pytest.importorskip("dcm2niix")
    benchmark.group = "a volume of 200 CT slices"
    count = 200 if not benchmark.disabled else 3
    series = one_series(export(tmp_path, series=1, count=count))
    assert len(benchmark(read_volume, series).voxels) == count
