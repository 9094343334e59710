"""One file as one sample of a task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_scans import pixels, save_picture, save_volume
from PIL import Image

from crossbench.data.formats.files import read_samples
from crossbench.data.formats.prepared import read_prepared
from crossbench.data.inputs.image import Image as ImageKind
from crossbench.data.inputs.volume import Volume
from crossbench.errors import DataError
from crossbench.specs.preparation import Preparation


def test_pictures_are_turned_upright_only_where_that_is_asked_for(tmp_path: Path) -> None:
    stored = pixels(1, 20, 30)
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    file = save_picture(tmp_path / "a.png", 1, 20, 30, exif=exif)
    assert np.array_equal(read_prepared(file, Preparation())[0], stored)
    upright = Preparation(upright=True, size=(30, 20), fit="centre")
    assert np.array_equal(read_prepared(file, upright)[0], np.rot90(stored, -1))
    found = read_samples(file, kind=ImageKind(), shape=(1, 30, 20), preparation=upright)
    assert np.array_equal(found[0, 0], np.rot90(stored, -1))


def test_channels_are_the_tasks(tmp_path: Path) -> None:
    gray = save_picture(tmp_path / "gray.png", 1, 20, 30)
    colour = save_picture(tmp_path / "colour.png", 1, 20, 30, 3)
    assert read_prepared(gray, Preparation(channels=3)).shape == (3, 20, 30)
    assert read_prepared(colour, Preparation(channels=3)).shape == (3, 20, 30)
    with pytest.raises(
        DataError, match=r"colour\.png: channels: 3, of the task's samples: 1; conve"
    ):
        read_prepared(colour, Preparation(channels=1))


def test_volumes_are_resampled_or_refused(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    file = save_volume(tmp_path / "a.nii", pixels(1, 8, 8, 8), spacing=(1, 1, 2), axes="LPS")
    near = Preparation(orientation="RAS", spacing=(2.01, 1.0, 1.0))
    assert np.array_equal(read_prepared(file, near)[0], pixels(1, 8, 8, 8).T)
    fixed = Preparation(orientation="RAS", spacing=(1.0, 1.0, 1.0))
    with pytest.raises(
        DataError, match=r"spacing is 2x1x1 mm \(DxHxW\), that of the task's volumes 1x1x1"
    ):
        read_prepared(file, fixed)
    given = Preparation(spacing=(1.0, 1.0, 1.0), resampled=True, size=(12, 8, 8), fit="centre")
    found = read_samples(file, kind=Volume(), shape=(1, 12, 8, 8), preparation=given)
    assert found.shape == (1, 1, 12, 8, 8)
    with pytest.raises(DataError, match=r"volumes are 16x8x8, the network was fitted to 12x8x8"):
        read_samples(
            file,
            kind=Volume(),
            shape=(1, 12, 8, 8),
            preparation=Preparation(spacing=(1.0, 1.0, 1.0), resampled=True),
        )


def test_a_spacing_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    file = save_volume(tmp_path / "a.nii", pixels(1, 8, 8, 8), spacing=(1e4, 1e4, 1e4))
    with pytest.raises(
        DataError, match=r"at 1 x 1 x 1 mm it would have 512,000,000,000,000 voxels"
    ):
        read_prepared(file, Preparation(spacing=(1.0, 1.0, 1.0), resampled=True))
    file = save_volume(tmp_path / "b.nii", pixels(1, 8, 8, 8), spacing=(1e-9, 1e-9, 1e-9))
    one = read_prepared(file, Preparation(spacing=(1.0, 1.0, 1.0), resampled=True))
    assert one.shape == (1, 1, 1, 1)
    assert abs(int(one[0, 0, 0, 0]) - pixels(1, 8, 8, 8).mean()) < 1


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.png"])
def test_a_damaged_file_is_named_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: float, value: int, cut: bool
) -> None:
    pytest.importorskip("nibabel")
    folder = tmp_path_factory.mktemp("damaged")
    file = folder / name
    if name == "a.png":
        save_picture(file, 1, 20, 30)
    else:
        save_volume(file, pixels(1, 6, 7, 8), axes="LPS")
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] = value
    file.write_bytes(content[: int(place * len(content))] if cut else content)
    size = (8, 8) if name == "a.png" else (8, 8, 8)
    given = Preparation(spacing=(1.0,) * len(size), resampled=True, size=size, fit="pad")
    message = f"{file}: "
    try:
        assert read_prepared(file, given).shape == (1, *size)
    except DataError as error:
        message = str(error)
    assert message.startswith(f"{file}: ")


def test_a_volume_without_orientation_is_refused_where_the_tasks_state_one(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    file = save_volume(tmp_path / "a.nii", pixels(1, 8, 8, 8), code=0)
    with pytest.raises(
        DataError, match="states no orientation, as the task's volumes do; write its"
    ):
        read_prepared(file, Preparation(orientation="RAS"))
    assert read_prepared(file, Preparation(orientation="RAS", unoriented=True)).shape == (
        1,
        8,
        8,
        8,
    )


def test_values_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    voxels = np.full((8, 8, 8), np.nan, np.float32)
    file = save_volume(tmp_path / "a.nii", voxels)
    with pytest.raises(DataError, match=r"a\.nii: has NaN or infinite values; replace them"):
        read_prepared(file, Preparation())
