from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.cards import load_tasks
from crossbench.data.dataset import Dataset
from crossbench.data.npz import content_hash
from crossbench.data.sources import find_file, open_task
from crossbench.errors import DataError, MissingDataError
from crossbench.specs import SourceSpec, TaskCard

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 8, 8), dtype=np.uint8)
LABELS = np.arange(20) % 2
CARD = TaskCard(
    name="cells",
    title="Cells",
    dimension=2,
    modality="None",
    classes=("a", "b"),
    licence="CC0-1.0",
    citation="Made on the spot",
    source=SourceSpec(
        kind="npz",
        file="cells_224.npz",
        remedy="Ask the lab for it.",
        url="https://example.org/cells_224.npz",
    ),
    metric="accuracy",
    version=1,
)


class Folders:
    """A data folder and a cache, and the task opened from them."""

    def __init__(self, root: Path) -> None:
        self.data, self.cache = root / "data", root / "cache"
        self.data.mkdir()

    def write(self, save: Callable[..., None] = np.savez, **arrays: Any) -> Path:
        file = self.data / CARD.source.file
        file.unlink(missing_ok=True)
        save(file, **arrays)
        return file

    def open(self, card: TaskCard = CARD, data: Any = "real") -> Dataset:
        return open_task(card, data=data, data_dir=self.data, cache_dir=self.cache)

    def find(self, card: TaskCard = CARD, data: Any = "real") -> Path:
        return find_file(card, data=data, data_dir=self.data, cache_dir=self.cache)

    @property
    def memos(self) -> list[Path]:
        return sorted((self.cache / "checked").glob("*"))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


def medmnist(images: np.ndarray = IMAGES, labels: np.ndarray = LABELS) -> dict[str, np.ndarray]:
    cuts = {"train": slice(0, 12), "val": slice(12, 15), "test": slice(15, 20)}
    parts = {f"{part}_images": images[cut] for part, cut in cuts.items()}
    return parts | {f"{part}_labels": labels[cut, None] for part, cut in cuts.items()}


# ------------------------------------------------------------------ finding the file


def test_finds_the_file_under_the_cards_name_for_it_or_the_tasks(folders: Folders) -> None:
    own = folders.data / "cells.npz"
    own.touch()
    assert folders.find() == own
    named = folders.data / "cells_224.npz"
    named.touch()
    assert folders.find() == named


def test_says_what_is_missing_and_how_to_get_it(folders: Folders) -> None:
    message = (
        r"task 'cells': no cells_224\.npz or cells\.npz in .*data\. Ask the lab for it\."
        r" Download: https://example\.org/cells_224\.npz$"
    )
    with pytest.raises(MissingDataError, match=message):
        folders.find()
    with pytest.raises(MissingDataError, match=message):
        folders.open()


def test_says_what_to_save_where_a_card_has_no_remedy(folders: Folders) -> None:
    card = replace(CARD, source=SourceSpec(kind="npz", file="cells.npz"))
    message = r"no cells\.npz in .*data\. Save cells\.npz with arrays 'images' and 'labels' there"
    with pytest.raises(MissingDataError, match=message):
        folders.find(card)


def test_a_phantom_is_made_when_it_is_opened(folders: Folders) -> None:
    file = folders.find(data="phantom")
    assert not file.exists()
    dataset = folders.open(data="phantom")
    assert dataset.file == file
    assert file.is_file()


# ------------------------------------------------------------------- the two formats


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_reads_the_authors_format(folders: Folders, save: Callable[..., None]) -> None:
    groups = np.repeat(["p7", "p3"], 10)
    file = folders.write(save, images=IMAGES, labels=LABELS[:, None], groups=groups)
    dataset = folders.open()
    np.testing.assert_array_equal(dataset.images, IMAGES[:, None])
    assert dataset.images.dtype == np.uint8
    assert dataset.labels.tolist() == LABELS.tolist()
    assert dataset.labels.dtype == np.int64
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [1] * 10 + [0] * 10
    assert dataset.official is None
    assert dataset.covariate is None
    assert (dataset.source, dataset.file, dataset.num_classes) == ("real", file, 2)
    assert len(dataset) == 20


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_pools_medmnists_format_and_keeps_its_split(
    folders: Folders, save: Callable[..., None]
) -> None:
    folders.write(save, **medmnist())
    dataset = folders.open()
    np.testing.assert_array_equal(dataset.images, IMAGES[:, None])
    assert dataset.labels.tolist() == LABELS.tolist()
    assert dataset.official is not None
    assert dataset.official.dtype == np.int8
    assert dataset.official.tolist() == [0] * 12 + [1] * 3 + [2] * 5
    assert dataset.groups is None


def test_medmnists_format_may_have_groups(folders: Folders) -> None:
    folders.write(**medmnist(), groups=np.arange(20) // 4)
    groups = folders.open().groups
    assert groups is not None
    assert groups.tolist() == (np.arange(20) // 4).tolist()


def test_maps_stored_images(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    base: Any = folders.open().images
    while base is not None and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


def test_embedded_tasks_are_real_under_either_source(folders: Folders) -> None:
    card = next(card for card in load_tasks().values() if card.embedded)
    real, phantom = folders.open(card), folders.open(card, "phantom")
    assert real.source == phantom.source == "embedded"
    assert real.content_hash == phantom.content_hash
    assert real.file == folders.find(card) == folders.find(card, "phantom")


@pytest.mark.parametrize("name", ["mosmed", "ixi", "derma", "breast"])
def test_phantoms_come_by_the_same_road(folders: Folders, name: str) -> None:
    card = load_tasks()[name]
    dataset = folders.open(card, "phantom")
    assert dataset.source == "phantom"
    assert dataset.num_classes == len(card.classes)
    assert dataset.images.shape[1] == card.channels
    assert (dataset.groups is None) == (card.group is None)
    if name == "mosmed":  # stored with its slices last
        assert dataset.images.shape[2:] == (16, 32, 32)


# ------------------------------------------------------------------------- bad files


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": IMAGES}, "no array 'labels'; the file has images"),
        ({"pictures": IMAGES}, "no array 'images'; the file has pictures"),
        ({"train_images": IMAGES}, "no array 'train_labels'; the file has train_images"),
        ({"images": IMAGES[:, :, 0], "labels": LABELS}, "a 2D task needs"),
        ({"images": IMAGES, "labels": LABELS + 1}, "the label of sample 1 is 2, not in"),
        ({"images": IMAGES, "labels": LABELS + 0.5}, "not a whole number"),
        ({"images": IMAGES, "labels": LABELS[1:]}, "labels have shape"),
        ({"images": IMAGES, "labels": LABELS, "groups": LABELS[1:]}, "groups are int64 of shape"),
        (
            {"images": np.where(IMAGES > 254, np.nan, IMAGES), "labels": LABELS},
            r"sample \d+ has NaN or infinite voxels",
        ),
        (
            {"images": np.array([{}, []], dtype=object), "labels": LABELS},
            "holds Python objects",
        ),
        (
            medmnist() | {"val_labels": LABELS[:2]},
            r"val_images have shape \(3, 8, 8\) but val_labels \(2,\)",
        ),
        (medmnist() | {"test_images": IMAGES[:5, 1:]}, "arrays cannot be pooled"),
        (
            medmnist() | {"val_images": np.float32(1), "val_labels": np.float32(1)},
            "arrays cannot be pooled",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_named(
    folders: Folders, arrays: dict[str, np.ndarray], message: str
) -> None:
    folders.write(**arrays)
    with pytest.raises(DataError, match=rf"cells_224\.npz: .*{message}") as caught:
        folders.open()
    assert str(caught.value).count("cells_224.npz") == 1
    assert folders.memos == []


def test_a_damaged_file_is_named(folders: Folders) -> None:
    file = folders.write(images=IMAGES, labels=LABELS)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"cells_224\.npz: truncated, damaged or not an npz file"):
        folders.open()


# -------------------------------------------------------------------------- the memo


def test_the_hash_is_over_what_later_stages_see(folders: Folders) -> None:
    expected = {"images": IMAGES[:, None], "labels": LABELS, "groups": LABELS}
    folders.write(images=IMAGES[..., None], labels=LABELS.astype(float), groups=LABELS + 7)
    assert folders.open().content_hash == content_hash(expected)
    del expected["groups"]
    folders.write(**medmnist())
    official = np.repeat(np.arange(3, dtype=np.int8), [12, 3, 5])
    assert folders.open().content_hash == content_hash(expected | {"official": official})


def test_a_file_is_hashed_once(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    digest = folders.open().content_hash
    (memo,) = folders.memos
    remembered = digest[::-1]
    memo.write_text(json.dumps({"content_hash": remembered}))
    assert folders.open().content_hash == remembered


def test_a_changed_file_is_hashed_again(folders: Folders) -> None:
    file = folders.write(images=IMAGES, labels=LABELS)
    first = folders.open().content_hash
    folders.write(images=255 - IMAGES, labels=LABELS)
    os.utime(file, ns=(1, 1))
    assert folders.open().content_hash != first
    assert len(folders.memos) == 2


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'"text"', b"{}", b'{"content_hash": 3}', b"\xff\xfe"]
)
def test_a_damaged_memo_is_made_anew(folders: Folders, damage: bytes) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    digest = folders.open().content_hash
    (memo,) = folders.memos
    memo.write_bytes(damage)
    assert folders.open().content_hash == digest
    assert json.loads(memo.read_text()) == {"content_hash": digest}


def test_a_cache_that_cannot_be_written_is_no_hindrance(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    folders.cache.touch()  # a file where the folder should be
    np.testing.assert_array_equal(folders.open().labels, LABELS)
