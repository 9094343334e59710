"""NIfTI volumes, turned to RAS, against nibabel's own."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_scans import pixels, save_volume

from crossbench.data.formats.nifti import read_volume, volume_form
from crossbench.errors import DataError

nibabel: Any = pytest.importorskip("nibabel")

AXES = [
    "".join(letters[side] for letters, side in zip(order, sides, strict=True))
    for order in itertools.permutations(("RL", "AP", "SI"))
    for sides in itertools.product((0, 1), repeat=3)
]


@pytest.mark.parametrize("axes", AXES)
def test_every_orientation_is_turned_to_the_same_volume(tmp_path: Path, axes: str) -> None:
    voxels = pixels(1, 5, 6, 7).astype(np.int16)
    file = save_volume(tmp_path / "a.nii.gz", voxels, spacing=(0.5, 0.75, 2), axes=axes)
    found, form = read_volume(file)
    assert np.array_equal(found[0], voxels.transpose(2, 1, 0))
    assert form == volume_form(file)
    assert (form.shape, form.spacing, form.codes) == ((1, 7, 6, 5), (2.0, 0.75, 0.5), axes)
    theirs = nibabel.as_closest_canonical(nibabel.load(file))
    assert np.array_equal(found[0].T, np.asanyarray(theirs.dataobj))


def test_channels_come_first(tmp_path: Path) -> None:
    voxels = pixels(1, 5, 6, 7, 2)
    found, form = read_volume(save_volume(tmp_path / "a.nii", voxels, axes="LPS"))
    assert form.shape == found.shape == (2, 7, 6, 5)
    assert np.array_equal(found, voxels.transpose(3, 2, 1, 0))
    one = save_volume(tmp_path / "b.nii", voxels[..., :1])
    assert read_volume(one)[0].shape == (1, 7, 6, 5)


def test_without_a_stated_orientation_nothing_is_turned(tmp_path: Path) -> None:
    voxels = pixels(1, 5, 6, 7)
    file = save_volume(tmp_path / "a.nii", voxels, spacing=(3, 2, 1), code=0)
    found, form = read_volume(file)
    assert np.array_equal(found[0], voxels.T)
    assert (form.codes, form.spacing, form.tilt) == ("", (1.0, 2.0, 3.0), 0.0)


def test_values_are_scaled_as_the_header_says(tmp_path: Path) -> None:
    voxels = pixels(1, 5, 6, 7).astype(np.int16)
    image = nibabel.Nifti1Image(voxels, np.eye(4))
    image.header.set_slope_inter(0.25, -3)
    image.to_filename(tmp_path / "a.nii")
    found, form = read_volume(tmp_path / "a.nii")
    assert (form.dtype, form.scaled, found.dtype) == ("float32", True, np.float32)
    stored = nibabel.load(tmp_path / "a.nii").get_fdata()
    assert np.allclose(found[0].T, stored)
    nibabel.Nifti1Image(voxels.astype(">f8"), np.eye(4)).to_filename(tmp_path / "b.nii")
    found, form = read_volume(tmp_path / "b.nii")
    assert (form.dtype, found.dtype) == ("float32", np.float32)
    assert np.array_equal(found[0].T, voxels)
    nibabel.Nifti1Image(voxels.astype(">i2"), np.eye(4)).to_filename(tmp_path / "c.nii")
    assert read_volume(tmp_path / "c.nii")[0].dtype.isnative


def test_lengths_are_in_millimetres(tmp_path: Path) -> None:
    file = tmp_path / "a.nii"
    image = nibabel.Nifti1Image(pixels(1, 5, 6, 7), np.diag([1500.0, 2000.0, 2500.0, 1.0]))
    image.header.set_xyzt_units("micron")
    image.to_filename(file)
    assert volume_form(file).spacing == (2.5, 2.0, 1.5)


def test_a_tilt_is_measured(tmp_path: Path) -> None:
    angle = np.radians(12)
    affine = np.eye(4)
    affine[1:3, 1:3] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    nibabel.Nifti1Image(pixels(1, 5, 6, 7), affine).to_filename(tmp_path / "a.nii")
    assert volume_form(tmp_path / "a.nii").tilt == pytest.approx(12, abs=1e-3)


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    def refused(name: str, message: str) -> None:
        with pytest.raises(DataError, match=rf"{name}: {message}"):
            read_volume(tmp_path / name)

    nibabel.Nifti1Image(pixels(1, 5, 6), np.eye(4)).to_filename(tmp_path / "flat.nii")
    refused("flat.nii", r"voxels of shape \(5, 6\) are no volume")
    nibabel.Nifti1Image(pixels(1, 5, 6, 7, 4), np.eye(4)).to_filename(tmp_path / "time.nii")
    refused(
        "time.nii", r"holds 4 volumes \(shape \(5, 6, 7, 4\)\), such as time points; save the one"
    )
    complexes = pixels(1, 5, 6, 7).astype(np.complex64)
    nibabel.Nifti1Image(complexes, np.eye(4)).to_filename(tmp_path / "phase.nii")
    refused("phase.nii", "voxels are complex64, no plain numbers")
    image = nibabel.Nifti1Image(pixels(1, 5, 6, 7), np.eye(4))
    content = image.to_bytes()
    image.header["srow_y"] = 0
    (tmp_path / "nowhere.nii").write_bytes(image.header.binaryblock + content[348:])
    refused("nowhere.nii", "its affine leaves an axis without direction; write it anew")
    (tmp_path / "bad.nii.gz").write_bytes(gzip.compress(b"no volume" * 99))
    refused("bad.nii.gz", "cannot be read as NIfTI")


def test_a_header_that_claims_more_than_the_file_holds_is_refused_unread(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header()
    header.set_data_shape((30_000, 30_000, 30_000))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    for name, pack in (("a.nii", bytes), ("b.nii.gz", gzip.compress)):
        (tmp_path / name).write_bytes(pack(header.binaryblock + bytes(400)))
        with pytest.raises(DataError, match=rf"{name}: its header claims 108000000000000 bytes"):
            volume_form(tmp_path / name)
