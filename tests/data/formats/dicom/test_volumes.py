"""Volumes of DICOM series, compared with what dcm2niix itself gives on the same files."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import dcm2niix
import made_dicom as made
import nibabel
import numpy as np
import pydicom
import pytest
from pydicom.pixels import compress
from pydicom.uid import MRImageStorage, RLELossless

from crossbench.data.formats.dicom import Choice, Volume, list_series, one_series, read_volume
from crossbench.errors import DataError

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
EXPORT = SHIPPED / "dicomdirtests"


def by_dcm2niix(files: list[Path], folder: Path, name: str = "v") -> nibabel.Nifti1Image:
    """What a person gets who calls the program on copies of the files."""
    given, out = folder / "given", folder / "out"
    given.mkdir()
    out.mkdir()
    for number, file in enumerate(files):
        shutil.copy(file, given / f"{number}.dcm")
    command = [dcm2niix.bin, "-b", "n", "-z", "n", "-f", "v", "-o", out, given]
    subprocess.run(command, check=True, capture_output=True)
    return nibabel.as_closest_canonical(nibabel.load(out / f"{name}.nii"))


def assert_equal(volume: Volume, image: nibabel.Nifti1Image) -> None:
    assert nibabel.aff2axcodes(volume.affine) == ("R", "A", "S")
    np.testing.assert_array_equal(volume.voxels.T, image.get_fdata())
    np.testing.assert_array_equal(volume.affine, image.affine)
    np.testing.assert_allclose(volume.spacing[::-1], image.header.get_zooms()[:3], rtol=1e-5)


@pytest.mark.parametrize(
    ("series", "name"),
    [
        (made.axial(), "v"),
        (made.tilted(), "v_Tilt_1"),
        (made.axial(heights=[0, 2, 4, 6, 10, 14, 18]), "v_Eq_1"),
        (made.sagittal(), "v"),
        ([made.enhanced()], "v"),
    ],
    ids=["regular", "tilted", "unequal", "sagittal", "enhanced"],
)
def test_a_series_is_what_dcm2niix_makes_of_it(series: list, name: str, tmp_path: Path) -> None:
    if (
        series[0].ImageOrientationPatient == [0, 1, 0, 0, 0, -1]
        if "ImageOrientationPatient" in series[0]
        else False
    ):
        for number, each in enumerate(series):
            each.ImagePositionPatient = [2.0 * number, -12.0, 10.0]
    files = made.write(tmp_path / "export", series)
    volume = read_volume(one_series(tmp_path / "export"))
    assert_equal(volume, by_dcm2niix(files, tmp_path, name))


def test_voxels_are_hounsfield_units_from_inferior_to_superior(tmp_path: Path) -> None:
    made.write(tmp_path, made.axial(20))
    volume = read_volume(one_series(tmp_path))
    stored = np.stack([made.pixels(200 + number) for number in range(20)]).astype(int)
    assert volume.voxels.dtype == np.int16
    # rows run to the back and columns to the left in DICOM
    np.testing.assert_array_equal(volume.voxels, stored[:, ::-1, ::-1] - 1024)
    assert volume.spacing == pytest.approx((2.0, 0.8, 0.7))
    assert volume.notes == ()


@pytest.mark.parametrize(
    ("place", "count"),
    [("98892001/CT5N", 5), ("77654033/CT2", 4)],
)
def test_what_pydicom_ships(place: str, count: int, tmp_path: Path) -> None:
    files = sorted((EXPORT / place).iterdir())
    assert len(files) == count
    volume = read_volume(one_series(EXPORT / place, Choice(missing=True)))
    name = "v_Eq_1" if place == "77654033/CT2" else "v"
    assert_equal(volume, by_dcm2niix(files, tmp_path, name))


@pytest.mark.parametrize(
    "name",
    [
        "CT_small.dcm",
        "MR_small.dcm",
        "MR_small_RLE.dcm",
        "MR_small_bigendian.dcm",
        "MR_small_implicit.dcm",
        "MR_small_jp2klossless.dcm",
        "MR_small_jpeg_ls_lossless.dcm",
        "693_J2KI.dcm",
        "J2K_pixelrep_mismatch.dcm",
    ],
)
def test_transfer_syntaxes_that_pydicom_ships(name: str, tmp_path: Path) -> None:
    volume = read_volume(one_series(SHIPPED / name))
    assert_equal(volume, by_dcm2niix([SHIPPED / name], tmp_path))


@pytest.mark.parametrize("slope", [1, 2, 0.5])
def test_intensities_are_int16_where_that_is_exact(slope: float, tmp_path: Path) -> None:
    made.write(tmp_path / "export", made.axial(4, RescaleSlope=slope))
    volume = read_volume(one_series(tmp_path / "export"))
    assert volume.voxels.dtype == (np.float32 if slope == 0.5 else np.int16)
    stored = made.pixels(200)[::-1, ::-1].astype(float)
    np.testing.assert_array_equal(volume.voxels[0], stored * slope - 1024)


def test_corrections_of_dcm2niix_are_said(tmp_path: Path) -> None:
    made.write(tmp_path / "a", made.tilted())
    made.write(tmp_path / "b", made.axial(heights=[0, 2, 4, 6, 10, 14, 18]))
    volumes = [read_volume(one_series(tmp_path / name)) for name in "ab"]
    assert volumes[0].notes == ("gantry tilt corrected by dcm2niix",)
    assert volumes[0].voxels.shape == (20, 25, 10)  # higher than 12 rows
    assert volumes[1].notes == (
        "slices lie 2 to 4 mm apart",
        "unequal slice distances made equal by dcm2niix",
    )
    assert volumes[1].voxels.shape == (10, 12, 10)


def test_one_time_point_of_a_multi_frame_file(tmp_path: Path) -> None:
    file = made.save(tmp_path / "file", made.enhanced(times=2))
    told = r"2 volumes \(2 time points\)"
    with pytest.raises(DataError, match=rf"file: holds {told}; --dicom-volume N chooses one"):
        one_series(file)
    for volume, seed in ((1, 0), (2, 1000)):
        read = read_volume(one_series(file, Choice(volume=volume)))
        assert read.notes == (f"volume {volume} of 2 (2 time points)",)
        stored = np.stack([made.pixels(seed + number) for number in range(6)])
        np.testing.assert_array_equal(read.voxels, stored[:, ::-1, ::-1])


def test_one_echo_of_a_multi_frame_file(tmp_path: Path) -> None:
    file = made.save(tmp_path / "file", made.enhanced(echoes=(20.0, 10.0)))
    for volume, seed in ((1, 1000), (2, 0)):  # in the order of the echo times
        read = read_volume(one_series(file, Choice(volume=volume)))
        stored = np.stack([made.pixels(seed + number) for number in range(6)])
        np.testing.assert_array_equal(read.voxels, stored[:, ::-1, ::-1])


def ball(degrees: float = 0.0, sideways: float = 0.0, **changed: object) -> list:
    """A ball of 9 mm about (-5, 8, 31) mm in RAS, in slices of 64x64 mm, 2 mm apart."""
    turn = np.deg2rad(degrees)
    row, column = np.array([1.0, 0, 0]), np.array([0, np.cos(turn), -np.sin(turn)])
    down, right = np.meshgrid(np.arange(64), np.arange(64), indexing="ij")
    series = made.axial(30, Rows=64, Columns=64, PixelSpacing=[1, 1], **changed)
    for number, each in enumerate(series):
        corner = np.array([-32 + sideways * number, -32, 2 * number])
        place = corner + right[..., None] * row + down[..., None] * column
        inside = np.linalg.norm(place - [5, -8, 31], axis=-1) < 9
        each.PixelData = (inside * 1000).astype("<u2").tobytes()
        each.ImageOrientationPatient = [*row, *map(float, column)]
        each.ImagePositionPatient = [*map(float, corner)]
    return series


@pytest.mark.parametrize("degrees", [0, 15])
def test_a_ball_stays_a_ball_in_its_place(degrees: float, tmp_path: Path) -> None:
    made.write(tmp_path, ball(degrees))
    volume = read_volume(one_series(tmp_path))
    places = np.argwhere(volume.voxels > -600)[:, ::-1]
    centre = volume.affine @ [*places.mean(axis=0), 1]
    np.testing.assert_allclose(centre[:3], [-5, 8, 31], atol=0.2)
    size = len(places) * np.prod(volume.spacing)
    assert size == pytest.approx(4 / 3 * np.pi * 9**3, rel=0.05)


@pytest.mark.parametrize(
    ("series", "degrees"),
    [(ball(sideways=1), 26.6), (ball(15, Modality="MR", SOPClassUID=MRImageStorage), 15.0)],
    ids=["sideways", "MR"],
)
def test_slices_that_drift_for_another_reason(series: list, degrees: float, tmp_path: Path) -> None:
    made.write(tmp_path, series)
    with pytest.raises(DataError, match=f"drift sideways, {degrees} degrees off their normal"):
        read_volume(one_series(tmp_path))


def test_a_compressed_series_is_the_same(tmp_path: Path) -> None:
    made.write(tmp_path / "a", ball())
    packed = ball()
    for each in packed:
        compress(each, RLELossless, generate_instance_uid=False)
    made.write(tmp_path / "b", packed)
    volumes = [read_volume(one_series(tmp_path / name)) for name in "ab"]
    np.testing.assert_array_equal(volumes[0].voxels, volumes[1].voxels)


def test_a_series_that_is_refused_is_not_read(tmp_path: Path) -> None:
    made.write(tmp_path, [each for each in made.axial() if each.InstanceNumber != 8])
    (series,) = list_series(tmp_path).series
    with pytest.raises(DataError, match=r"I\d+ and 18 more: missing slices: usually 2 mm"):
        read_volume(series)
