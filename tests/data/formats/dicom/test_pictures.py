"""Pictures of DICOM files: windows, inversion, colours, compression, frames."""

from __future__ import annotations

from pathlib import Path

import made_dicom as made
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import compress
from pydicom.uid import JPEG2000Lossless, RLELossless

from crossbench.data.formats.dicom import read_dicom_picture
from crossbench.errors import DataError

SHIPPED = Path(pydicom.__file__).parent / "data" / "test_files"
STORED = made.pixels(0).astype(int)


def test_without_a_window_the_whole_range_is_shown(tmp_path: Path) -> None:
    picture = read_dicom_picture(made.save(tmp_path / "x", made.radiograph()))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, np.rint(STORED / 4095 * 65535))
    assert picture.spacing == (0.8, 0.7)
    assert picture.notes == ()


def test_a_window_is_applied(tmp_path: Path) -> None:
    data = made.radiograph(WindowCenter=[2000, 1], WindowWidth=[1000, 1])
    picture = read_dicom_picture(made.save(tmp_path / "x", data))
    shown = np.clip((STORED - 1999.5) / 999 + 0.5, 0, 1)  # PS3.3 C.11.2.1.2.1
    np.testing.assert_array_equal(picture.pixels, np.rint(shown * 65535))
    assert picture.notes == ("window applied",)


def test_a_window_applies_to_rescaled_values(tmp_path: Path) -> None:
    data = made.dataset(WindowCenter=40, WindowWidth=400)
    picture = read_dicom_picture(made.save(tmp_path / "x", data))
    shown = np.clip((STORED - 1024 - 39.5) / 399 + 0.5, 0, 1)
    np.testing.assert_array_equal(picture.pixels, np.rint(shown * 65535))


def test_a_voi_table_is_applied(tmp_path: Path) -> None:
    table = Dataset()
    table.add_new("LUTDescriptor", "US", [4096, 0, 12])
    table.add_new("LUTData", "US", [4095 - value for value in range(4096)])
    data = made.radiograph(VOILUTSequence=[table])
    picture = read_dicom_picture(made.save(tmp_path / "x", data))
    np.testing.assert_array_equal(picture.pixels, np.rint((4095 - STORED) / 4095 * 65535))
    assert picture.notes == ("VOI table applied",)


def test_monochrome1_is_inverted(tmp_path: Path) -> None:
    plain = read_dicom_picture(made.save(tmp_path / "x", made.radiograph()))
    data = made.radiograph(
        PhotometricInterpretation="MONOCHROME1", PixelData=(4095 - made.pixels(0)).tobytes()
    )
    inverted = read_dicom_picture(made.save(tmp_path / "y", data))
    np.testing.assert_array_equal(inverted.pixels, plain.pixels)
    assert inverted.notes == ("inverted (MONOCHROME1)",)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_pictures_are_the_same(syntax: str, tmp_path: Path) -> None:
    stored = np.random.default_rng(0).integers(0, 4000, (64, 64)).astype("<u2")
    data = made.radiograph(Rows=64, Columns=64, PixelData=stored.tobytes())
    plain = read_dicom_picture(made.save(tmp_path / "x", data))
    compress(data, syntax, encoding_plugin="pylibjpeg")
    packed = read_dicom_picture(made.save(tmp_path / "y", data))
    np.testing.assert_array_equal(packed.pixels, plain.pixels)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("examples_rgb_color.dcm", (240, 320, 3)),
        ("examples_palette.dcm", (350, 800, 3)),
        ("examples_jpeg2k.dcm", (480, 640, 3)),
        ("ExplVR_BigEnd.dcm", (60, 80, 3)),
    ],
)
def test_colours_that_pydicom_ships(name: str, shape: tuple[int, ...]) -> None:
    picture = read_dicom_picture(SHIPPED / name)
    assert (picture.pixels.shape, picture.pixels.dtype) == (shape, np.uint8)
    assert picture.pixels.std() > 10


@pytest.mark.parametrize(
    ("packed", "plain"),
    [
        ("MR_small_RLE.dcm", "MR_small.dcm"),
        ("MR_small_jp2klossless.dcm", "MR_small.dcm"),
        ("MR_small_jpeg_ls_lossless.dcm", "MR_small.dcm"),
        ("MR_small_bigendian.dcm", "MR_small.dcm"),
        ("MR_small_implicit.dcm", "MR_small.dcm"),
    ],
)
def test_transfer_syntaxes_that_pydicom_ships(packed: str, plain: str) -> None:
    pictures = [read_dicom_picture(SHIPPED / name).pixels for name in (packed, plain)]
    np.testing.assert_array_equal(*pictures)


def test_colours_of_jpeg_and_rle_are_rgb() -> None:
    for name in ("SC_rgb_jpeg_gdcm.dcm", "SC_rgb_rle.dcm"):
        assert read_dicom_picture(SHIPPED / name).pixels.shape == (100, 100, 3)


@pytest.mark.parametrize(("frame", "value"), [("first", 0), ("middle", 20)])
def test_a_frame_of_a_loop(frame: str, value: int, tmp_path: Path) -> None:
    file = made.save(tmp_path / "loop", made.cine(5))
    picture = read_dicom_picture(file, frame=frame)
    assert picture.pixels.dtype == np.uint8
    assert (picture.pixels == value).all()
    assert picture.notes == (f"frame {value // 10 + 1} of 5",)
    with pytest.raises(DataError, match="loop: holds 5 frames; --dicom-frame first or middle"):
        read_dicom_picture(file)


def test_a_deflated_file() -> None:
    assert read_dicom_picture(SHIPPED / "image_dfl.dcm").pixels.shape == (512, 512)


def test_what_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(DataError, match="text: no DICOM file"):
        read_dicom_picture(tmp_path / "text")
    with pytest.raises(DataError, match=r"test-SR.dcm: no DICOM file with pixels"):
        read_dicom_picture(SHIPPED / "test-SR.dcm")
