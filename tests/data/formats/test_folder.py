"""Folders of images: listed in order, cropped as torchvision does, damage named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from crossbench.data.formats.folder import (
    UNREAD,
    FolderPart,
    ImageFolder,
    centred,
    cropped,
    open_folder,
    read_image,
)
from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.image import draw_images
from crossbench.errors import DataError

Make = Callable[..., Path]


def part_of(folder: ImageFolder, name: str = "train", **changes: Any) -> FolderPart:
    fields: dict[str, Any] = {
        "listing": getattr(folder, name),
        "size": 16,
        "crop_scale": (0.5, 1.0),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.25, 0.25),
        "device": torch.device("cpu"),
        "workers": 0,
        "max_unreadable": 0.5,
    }
    return FolderPart(**fields | changes)


def drained(part: FolderPart, seed: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    batches = np.array_split(np.arange(len(part.labels)), 3)
    inputs, labels = zip(*part.stream(batches, seed), strict=True)
    return torch.cat(inputs), torch.cat(labels)


def picture(width: int = 37, height: int = 29) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3))
    return Image.fromarray(pixels.astype(np.uint8))


# --------------------------------------------------------------------------------- listing


def test_images_are_listed_by_class_and_path(make_folder: Make) -> None:
    folder = open_folder(make_folder())
    assert folder.classes == ("bright", "dark")
    assert folder.train.files == tuple(sorted(folder.train.files))
    assert [file.partition("/")[0] for file in folder.train.files] == [
        folder.classes[label] for label in folder.train.labels
    ]
    assert len(folder.train.files) == 12
    assert len(folder.val.files) == 4


def test_the_hash_follows_names_and_sizes(make_folder: Make) -> None:
    one, same, other = (make_folder(name) for name in ("one", "same", "other"))
    (other / "val/dark/0.png").rename(other / "val/dark/9.png")
    digests = [open_folder(path).content_hash for path in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


def test_a_class_that_val_lacks_keeps_its_label(make_folder: Make) -> None:
    path = make_folder()
    for file in (path / "val/bright").iterdir():
        file.unlink()
    (path / "val/bright").rmdir()
    assert set(open_folder(path).val.labels) == {1}


def without_part(path: Path) -> None:
    (path / "val").rename(path / "test")


def without_classes(path: Path) -> None:
    for folder in (path / "val").iterdir():
        folder.rename(path / folder.name)


def with_one_class(path: Path) -> None:
    (path / "train/dark").rename(path / "dark")


def with_a_stranger(path: Path) -> None:
    (path / "val/dark").rename(path / "val/grey")


def without_images(path: Path) -> None:
    for file in (path / "val").rglob("*.png"):
        file.rename(file.with_suffix(".txt"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without_part, "no folder 'val'; images go into val/CLASS/"),
        (without_classes, "val has no class folders"),
        (with_one_class, "train has 1 class; two or more are needed"),
        (with_a_stranger, "val has class 'grey', which train has not"),
        (without_images, r"val has no images \(\.jpg"),
    ],
)
def test_a_folder_that_is_none_is_refused(
    make_folder: Make, damage: Callable[[Path], None], message: str
) -> None:
    path = make_folder()
    damage(path)
    with pytest.raises(DataError, match=message):
        open_folder(path)


# ---------------------------------------------------------------------------------- images


def test_a_crop_is_torchvisions() -> None:
    for seed in range(8):
        drawn = draw_images(RandomSource(seed, "cpu"), torch.Size((1, 3, 29, 37)), (0.1, 1.0))
        place = [int(side) for side in (drawn.top, drawn.left, drawn.height, drawn.width)]
        expected = functional.resized_crop(picture(), *place, [16, 16])
        if drawn.flip:
            expected = functional.horizontal_flip(expected)
        ours = cropped(picture(), 16, (0.1, 1.0), RandomSource(seed, "cpu"))
        np.testing.assert_array_equal(ours, np.asarray(expected))


@pytest.mark.parametrize("sides", [(37, 29), (29, 37), (20, 20), (300, 224)])
def test_an_evaluated_image_is_torchvisions(sides: tuple[int, int]) -> None:
    expected = v2.Compose([v2.Resize(256), v2.CenterCrop(224)])(picture(*sides))
    np.testing.assert_array_equal(centred(picture(*sides), 224), np.asarray(expected))


def test_inputs_are_normalised(make_folder: Make) -> None:
    part = part_of(open_folder(make_folder()), "val")
    inputs, labels = drained(part, None)
    assert inputs.shape == (4, 3, 16, 16)
    assert inputs.dtype == torch.float32
    assert labels.tolist() == part.labels.tolist()
    first = centred(read_image(part.listing.root / part.listing.files[0]), 16)
    expected = (torch.from_numpy(first.copy()).permute(2, 0, 1) / 255 - 0.5) / 0.25
    torch.testing.assert_close(inputs[0], expected)


def test_threads_change_nothing(make_folder: Make) -> None:
    folder = open_folder(make_folder())
    alone, many = (drained(part_of(folder, workers=workers), 7) for workers in (0, 3))
    assert torch.equal(alone[0], many[0])
    assert torch.equal(alone[1], many[1])
    assert not torch.equal(alone[0], drained(part_of(folder), 8)[0])


# ------------------------------------------------------------------------------- unreadable


def test_in_training_the_next_image_stands_for_an_unreadable_one(make_folder: Make) -> None:
    path = make_folder()
    (path / "train/bright/0.png").write_bytes(b"no image")
    part = part_of(open_folder(path))
    inputs, labels = drained(part, 1)
    assert torch.equal(inputs[0], inputs[1])
    assert len(labels) == 12
    assert part.unreadable == {"bright/0.png: no image"}


def test_in_validation_an_unreadable_image_is_not_scored(make_folder: Make) -> None:
    path = make_folder()
    file = path / "val/dark/1.png"
    file.write_bytes(file.read_bytes()[:100])
    part = part_of(open_folder(path), "val", workers=2)
    assert drained(part, None)[1].tolist() == [0, 0, 1, UNREAD]
    (lost,) = part.unreadable
    assert lost.startswith("dark/1.png: ")
    assert str(path) not in lost


@pytest.mark.parametrize("seed", [1, None])
def test_too_many_unreadable_images_are_fatal(make_folder: Make, seed: int | None) -> None:
    path = make_folder()
    for file in (path / "train").rglob("*.png"):
        file.write_bytes(b"no image")
    message = r"of 12 images cannot be read \(bright/0\.png.*more than a share of 0\.1"
    with pytest.raises(DataError, match=message):
        drained(part_of(open_folder(path), max_unreadable=0.1), seed)


def test_what_would_be_read_in_part_keeps_its_reason(make_folder: Make) -> None:
    path = make_folder()
    deep = Image.fromarray(np.full((8, 8), 4000, np.uint16))
    deep.save(path / "val/dark/0.png")
    picture().save(path / "val/dark/2.tif", save_all=True, append_images=[picture()])
    part = part_of(open_folder(path), "val", max_unreadable=0.3)
    message = (
        r"2 of 5 images cannot be read \(dark/0\.png: has values of more than 8 bits \(I;16\),"
        r" which would be cut off; dark/2\.tif: holds 2 pictures; save them one by one\), more than"
    )
    with pytest.raises(DataError, match=message):
        drained(part, None)


def test_hidden_folders_and_files_are_no_images(make_folder: Make) -> None:
    path, plain = make_folder(), make_folder("plain")
    for part in ("train", "val"):
        for hidden in (".ipynb_checkpoints", "__MACOSX", "dark/.thumbs"):
            (path / part / hidden).mkdir()
            picture().save(path / part / hidden / "0.png")
        (path / part / "dark/._0.png").write_bytes(b"no image")
    folder, same = open_folder(path), open_folder(plain)
    assert folder.classes == ("bright", "dark")
    assert folder.content_hash == same.content_hash
