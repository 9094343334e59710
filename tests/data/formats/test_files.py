"""Reading samples of many kinds of files for a network that is already fitted."""

from __future__ import annotations

import struct
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from crossbench.data.formats import files, nifti
from crossbench.data.inputs.image import Image as ImageKind
from crossbench.data.inputs.volume import Volume
from crossbench.errors import DataError

GRAY_2D, COLOUR_2D = (1, 20, 24), (3, 20, 24)
GRAY_3D, PAIR_3D = (1, 6, 7, 8), (2, 6, 7, 8)


def read_samples(file: Path, *, shape: tuple[int, ...], **options: Any) -> np.ndarray[Any, Any]:
    """The samples of a file for a task of images or volumes of this shape."""
    kind = ImageKind() if len(shape) == 3 else Volume()
    return files.read_samples(file, kind=kind, shape=shape, **options)


def pixels(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_arrays_are_turned_as_the_tasks_own_file_is(tmp_path: Path, name: str) -> None:
    stored = pixels(3, 8, 7, 6)
    if name.endswith(".npy"):
        np.save(tmp_path / name, stored)
    else:
        np.savez(tmp_path / name, images=stored)
    found = read_samples(tmp_path / name, shape=GRAY_3D, axes="WHD")
    assert np.array_equal(found[:, 0], stored.transpose(0, 3, 2, 1))
    with pytest.raises(DataError, match=r"volumes are 8x7x6, the network was fitted to 6x7x8"):
        read_samples(tmp_path / name, shape=GRAY_3D)


@pytest.mark.parametrize(
    ("stored", "shape", "read"),
    [
        ((20, 24), GRAY_2D, (1, 1, 20, 24)),
        ((5, 20, 24), GRAY_2D, (5, 1, 20, 24)),
        ((5, 20, 24, 1), GRAY_2D, (5, 1, 20, 24)),
        ((5, 1, 20, 24), GRAY_2D, (5, 1, 20, 24)),
        ((9, 33), GRAY_2D, (1, 1, 9, 33)),  # images may be of any size
        ((20, 24, 3), COLOUR_2D, (1, 3, 20, 24)),
        ((3, 20, 24), COLOUR_2D, (1, 3, 20, 24)),
        ((5, 20, 24, 3), COLOUR_2D, (5, 3, 20, 24)),
        ((6, 7, 8), GRAY_3D, (1, 1, 6, 7, 8)),
        ((4, 6, 7, 8), GRAY_3D, (4, 1, 6, 7, 8)),
        ((2, 6, 7, 8), PAIR_3D, (1, 2, 6, 7, 8)),
        ((4, 6, 7, 8, 2), PAIR_3D, (4, 2, 6, 7, 8)),
    ],
)
def test_an_array_is_one_sample_or_a_stack(
    tmp_path: Path, stored: tuple[int, ...], shape: tuple[int, ...], read: tuple[int, ...]
) -> None:
    array = pixels(*stored)
    np.save(tmp_path / "a.npy", array)
    found = read_samples(tmp_path / "a.npy", shape=shape)
    assert found.shape == read
    assert found.dtype == np.uint8
    assert sorted(found.ravel()) == sorted(array.ravel())


def test_an_npz_is_read_as_a_task_is(tmp_path: Path) -> None:
    images = pixels(5, 20, 24)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(5), groups=np.arange(5))
    assert np.array_equal(read_samples(tmp_path / "own.npz", shape=GRAY_2D)[:, 0], images)
    np.savez_compressed(
        tmp_path / "medmnist.npz",
        train_images=images[:3],
        val_images=images[3:4],
        test_images=images[4:],
    )
    assert np.array_equal(read_samples(tmp_path / "medmnist.npz", shape=GRAY_2D)[:, 0], images)
    np.savez(tmp_path / "one.npz", images=images[:1])
    assert read_samples(tmp_path / "one.npz", shape=GRAY_2D).shape == (1, 1, 20, 24)


@pytest.mark.parametrize("ending", ["png", "bmp", "tif"])
def test_pictures_keep_their_pixels(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    gray, colour = pixels(20, 24), pixels(20, 24, 3)
    Image.fromarray(gray).save(file)
    assert np.array_equal(read_samples(file, shape=GRAY_2D), gray[None, None])
    assert np.array_equal(read_samples(file, shape=COLOUR_2D), np.stack([gray] * 3)[None])
    Image.fromarray(colour).save(file)
    assert np.array_equal(read_samples(file, shape=COLOUR_2D), colour.transpose(2, 0, 1)[None])
    Image.fromarray(np.stack([gray] * 3, axis=-1)).save(file)
    assert np.array_equal(read_samples(file, shape=GRAY_2D), gray[None, None])


def test_a_picture_of_sixteen_bits_keeps_them(tmp_path: Path) -> None:
    deep = (pixels(20, 24).astype(np.uint16) + 1) * 200
    Image.fromarray(deep).save(tmp_path / "a.png")
    found = read_samples(tmp_path / "a.png", shape=GRAY_2D)
    assert np.array_equal(found[0, 0], deep)


def test_nifti_axes_are_turned(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    voxels = pixels(8, 7, 6).astype(np.int16)  # x, y, z
    nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(tmp_path / "a.nii.gz")
    found = read_samples(tmp_path / "a.nii.gz", shape=GRAY_3D)
    assert found.shape == (1, 1, 6, 7, 8)
    assert found[0, 0, 5, 4, 3] == voxels[3, 4, 5]
    tall = pixels(4, 5, 9).astype(np.int16)  # deeper than wide, and meant so
    nibabel.Nifti1Image(tall, np.eye(4)).to_filename(tmp_path / "tall.nii")
    assert read_samples(tmp_path / "tall.nii", shape=(1, 9, 5, 4)).shape == (1, 1, 9, 5, 4)
    pair = np.stack([voxels, voxels + 1], axis=-1)
    nibabel.Nifti1Image(pair, np.eye(4)).to_filename(tmp_path / "pair.nii")
    assert read_samples(tmp_path / "pair.nii", shape=PAIR_3D)[0, 1, 5, 4, 3] == voxels[3, 4, 5] + 1
    (tmp_path / "bad.nii").write_bytes(b"no volume")
    with pytest.raises(DataError, match=r"bad\.nii: cannot be read as NIfTI"):
        read_samples(tmp_path / "bad.nii", shape=GRAY_3D)


def test_nifti_without_nibabel_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.nii").touch()
    monkeypatch.setattr(nifti, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"a\.nii: .*not installed; pip install nibabel"):
        read_samples(tmp_path / "a.nii", shape=GRAY_3D)


@pytest.mark.parametrize(
    ("stored", "shape", "message"),
    [
        ((20,), GRAY_2D, r"shape \(20,\) is no 2D sample and no stack of them, .* 2 to 4 axes"),
        ((2, 2, 6, 7, 8, 1), GRAY_3D, r"is no 3D sample"),
        ((5, 20, 24, 3), GRAY_2D, "samples have 3 channels, the network was fitted to 1 channel"),
        ((5, 20, 24, 1), COLOUR_2D, "samples have 1 channel, the network was fitted to 3 channels"),
        ((5, 20, 24, 4), GRAY_2D, "must hold 1 or 3 channels"),
        ((5, 20, 24), COLOUR_2D, "must hold 1 or 3 channels"),
        ((6, 7, 9), GRAY_3D, "volumes are 6x7x9, the network was fitted to 6x7x8 .* resample"),
        ((0, 20, 24), GRAY_2D, "at least 1 sample is needed"),
    ],
)
def test_arrays_of_another_kind_are_refused(
    tmp_path: Path, stored: tuple[int, ...], shape: tuple[int, ...], message: str
) -> None:
    np.save(tmp_path / "a.npy", pixels(*stored))
    with pytest.raises(DataError, match=rf"a\.npy: .*{message}"):
        read_samples(tmp_path / "a.npy", shape=shape)


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    def refused(name: str, shape: tuple[int, ...], message: str) -> None:
        with pytest.raises(DataError, match=rf"{name}: {message}"):
            read_samples(tmp_path / name, shape=shape)

    refused("none.png", GRAY_2D, "no such file")
    (tmp_path / "a.dcm").touch()
    refused(
        "a.dcm", GRAY_2D, r"this is no file of images; convert it to one of \.npz, \.npy, \.png"
    )
    for name in ("bad.png", "bad.npy", "bad.npz"):
        (tmp_path / name).write_bytes(b"damaged")
    refused("bad.png", GRAY_2D, "cannot be read as a picture")
    refused("bad.npy", GRAY_2D, "not readable as one array of numbers")
    refused("bad.npz", GRAY_2D, "truncated, damaged or not an npz file")
    np.save(tmp_path / "pickled.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    refused("pickled.npy", GRAY_2D, "not readable as one array of numbers")
    np.savez(tmp_path / "other.npz", volumes=pixels(2, 3))
    refused("other.npz", GRAY_2D, "no array 'images'; the file has volumes")
    np.save(tmp_path / "nan.npy", np.full((2, 20, 24), np.nan))
    refused("nan.npy", GRAY_2D, "sample 0 has NaN or infinite voxels")
    Image.fromarray(pixels(20, 24, 3)).save(tmp_path / "colour.png")
    refused("colour.png", GRAY_2D, "samples have 3 channels, the network was fitted to 1 channel")
    refused(
        "colour.png",
        GRAY_3D,
        r"this is no file of volumes; .* one of \.npz, \.npy, \.nii, \.nii\.gz, DICOM$",
    )
    (tmp_path / "a.nii").touch()
    refused("a.nii", GRAY_2D, "this is no file of images; convert it to")
    frames = [Image.fromarray(pixels(20, 24)) for _ in range(2)]
    frames[0].save(tmp_path / "many.tif", save_all=True, append_images=frames[1:])
    refused("many.tif", GRAY_2D, r"cannot be read as a picture \(holds 2 pictures; save them one")


@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.npy", "a.png"])
def test_a_damaged_file_is_named_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, name: str, place: float, value: int, cut: bool
) -> None:
    if ".nii" in name:
        pytest.importorskip("nibabel")
    file = tmp_path_factory.mktemp("damaged") / name
    content = bytearray(intact(name))
    content[int(place * len(content))] = value
    file.write_bytes(content[: int(place * len(content))] if cut else content)
    shape, message = GRAY_2D if name == "a.png" else GRAY_3D, ""
    try:
        assert read_samples(file, shape=shape).ndim == len(shape) + 1
    except DataError as error:
        message = str(error)
    assert not message or message.startswith(f"{file}: ")


@cache
def intact(name: str) -> bytes:
    """A file of each kind, whole."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / name
        if name == "a.png":
            Image.fromarray(pixels(20, 24)).save(file)
        elif name == "a.npy":
            np.save(file, pixels(6, 7, 8))
        else:
            import nibabel

            voxels = pixels(8, 7, 6).astype(np.int16)
            nibabel.Nifti1Image(voxels, np.eye(4)).to_filename(file)
        return file.read_bytes()


def test_a_nifti_header_that_claims_gigabytes_is_refused_unread(tmp_path: Path) -> None:
    pytest.importorskip("nibabel")
    content = bytearray(intact("a.nii"))
    struct.pack_into("<4h", content, 40, 3, 30_000, 30_000, 30_000)
    (tmp_path / "a.nii").write_bytes(content)
    message = r"a\.nii: volumes are 30000x30000x30000, the network was fitted to 6x7x8"
    with pytest.raises(DataError, match=message):
        read_samples(tmp_path / "a.nii", shape=GRAY_3D)
