from __future__ import annotations

import hashlib
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs

from crossbench.data import watch
from crossbench.data.dataset import Dataset
from crossbench.data.formats.npz import NpzFile, content_hash
from crossbench.data.sources import find_file, open_task
from crossbench.errors import DataError, MissingDataError
from crossbench.files.hashing import hash_file
from crossbench.registry.tasks import load_tasks
from crossbench.specs import NpzSource, TaskCard

if TYPE_CHECKING:
    from collections.abc import Callable

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (20, 8, 8), dtype=np.uint8)
LABELS = np.arange(20) % 2
CARD = TaskCard(
    name="cells",
    title="Cells",
    kind="image",
    dimension=2,
    modality="None",
    classes=("a", "b"),
    licence="CC0-1.0",
    citation="Made on the spot",
    source=NpzSource(
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
    card = replace(CARD, source=NpzSource(file="cells.npz"))
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


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as settled at once, so that no test has to wait for the clock."""
    monkeypatch.setattr(watch, "_TICK_NS", -(10**18))


@pytest.mark.usefixtures("settled")
def test_a_file_is_hashed_once(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    digest = folders.open().content_hash
    (memo,) = folders.memos
    remembered = digest[::-1]
    memo.write_text(memo.read_text().replace(digest, remembered))
    assert folders.open().content_hash == remembered


def test_a_file_written_a_moment_ago_is_hashed_again(folders: Folders) -> None:
    """A second write within one tick of the clock leaves no trace but in the content."""
    folders.write(images=IMAGES, labels=LABELS)
    folders.open()
    assert folders.memos == []


@pytest.mark.usefixtures("settled")
def test_a_changed_file_is_hashed_again(folders: Folders) -> None:
    file = folders.write(images=IMAGES, labels=LABELS)
    first = folders.open().content_hash
    folders.write(images=255 - IMAGES, labels=LABELS)
    os.utime(file, ns=(1, 1))
    assert folders.open().content_hash != first
    assert len(folders.memos) == 2


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("in_place", [True, False])
def test_other_labels_under_the_same_name_size_and_time_are_noticed(
    folders: Folders, in_place: bool
) -> None:
    """As ``rsync -t`` leaves them, with or without ``--inplace``."""
    file = folders.write(images=IMAGES, labels=LABELS)
    before, first = file.stat(), folders.open().content_hash
    other = folders.data / "other"
    with other.open("wb") as stream:
        np.savez(stream, images=IMAGES, labels=1 - LABELS)
    while file.stat().st_ctime_ns == before.st_ctime_ns and in_place:  # until the clock ticks
        file.write_bytes(other.read_bytes())
    if not in_place:
        other.replace(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    dataset = folders.open()
    assert dataset.content_hash != first
    assert dataset.labels.tolist() == (1 - LABELS).tolist()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", [b"", b"{", b'{"content_hash": 3}'])
def test_a_damaged_memo_is_made_anew(folders: Folders, damage: bytes) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    digest = folders.open().content_hash
    (memo,) = folders.memos
    written = memo.read_bytes()
    memo.write_bytes(damage)
    assert folders.open().content_hash == digest
    assert memo.read_bytes() == written


@pytest.mark.usefixtures("settled")
def test_a_cache_that_cannot_be_written_is_no_hindrance(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    folders.cache.touch()  # a file where the folder should be
    np.testing.assert_array_equal(folders.open().labels, LABELS)


# --------------------------------------------------------- files changed while in use


def test_a_file_that_is_replaced_stays_the_one_that_was_opened(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    dataset = folders.open()
    folders.write(images=255 - IMAGES, labels=LABELS)
    dataset.check_unchanged()
    np.testing.assert_array_equal(dataset.images[:, 0], IMAGES)
    assert dataset.hash_content() == dataset.content_hash


def test_a_file_cut_short_while_in_use_is_refused_before_it_is_read(folders: Folders) -> None:
    file = folders.write(images=IMAGES, labels=LABELS)
    dataset, size = folders.open(), file.stat().st_size
    os.truncate(file, 100)
    message = rf"cells_224\.npz was written to while .* had {size} bytes and has 100\); run again"
    with pytest.raises(DataError, match=message):
        dataset.check_unchanged()


def test_other_content_while_in_use_is_refused_and_a_touch_is_not(folders: Folders) -> None:
    file = folders.write(images=IMAGES, labels=LABELS)
    dataset = folders.open()
    opened = dataset.watch.state if dataset.watch else None
    while dataset.watch and dataset.watch.now() == opened:  # until the clock ticks
        file.touch()
    dataset.check_unchanged()
    content = bytearray(file.read_bytes())
    content[content.index(IMAGES[5].tobytes())] ^= 1
    opened = dataset.watch.state if dataset.watch else None
    while dataset.watch and dataset.watch.now() == opened:
        with file.open("r+b") as stream:
            stream.write(content)
    with pytest.raises(DataError, match=r"written to while it was in use \(its content is another"):
        dataset.check_unchanged()


def test_what_is_in_memory_cannot_change(folders: Folders) -> None:
    file = folders.write(np.savez_compressed, images=IMAGES, labels=LABELS)
    dataset = folders.open()
    os.truncate(file, 0)
    dataset.check_unchanged()
    assert dataset.watch is None


def test_a_pipe_is_no_file(folders: Folders) -> None:
    os.mkfifo(folders.data / "pipe.npz")
    with pytest.raises(DataError, match=r"pipe\.npz is no regular file"):
        NpzFile(folders.data / "pipe.npz")


# ----------------------------------------------------------- the facts on the card

FACTS: dict[str, Any] = {
    "checksum": {"sha256": ""},
    "shape": (8, 8),
    "channels": 1,
    "class_counts": (10, 10),
    "intensity": (0.0, 255.0),
}


def test_a_file_that_is_what_the_card_says(folders: Folders) -> None:
    file = folders.write(images=IMAGES, labels=LABELS)
    checksum = {
        "sha256": hash_file(file).upper(),
        "md5": hashlib.md5(file.read_bytes()).hexdigest(),
    }
    assert folders.open(replace(CARD, **FACTS | {"checksum": checksum})).warnings == ()


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("fact", "stated", "message"),
    [
        (
            "checksum",
            {"md5": "0" * 32},
            r"checksum\.md5 is [0-9a-f]{32}, but .* says 0{32}",
        ),
        ("shape", (8, 9), r"shape \(H, W\) is \[8, 8\], but card 'cells' says \[8, 9\]"),
        ("channels", 3, "channels is 1, but card 'cells' says 3"),
        ("class_counts", (9, 11), r"class_counts is \[10, 10\], but card 'cells' says \[9, 11\]"),
        ("intensity", (0.0, 1.0), r"intensity is \[\d+\.0, \d+\.0\], but .* says \[0\.0, 1\.0\]"),
        ("intensity", (0.0, 4095.0), r"intensity is .*, but .* says \[0\.0, 4095\.0\]"),
    ],
)
def test_a_fact_that_the_file_contradicts_is_an_error(
    folders: Folders, fact: str, stated: Any, message: str
) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    card = replace(CARD, **{fact: stated})
    for _ in range(2):  # read through, and remembered
        with pytest.raises(DataError, match=rf"cells_224\.npz: {message}; get the file"):
            folders.open(card)
        folders.open()


def test_counts_of_another_release_are_not_held_against_a_file(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    card = replace(CARD, class_counts=(10, 12), samples={"paper": 20, "publisher": 22})
    assert len(folders.open(card)) == 20


def test_a_shape_is_in_the_stored_order_of_the_axes(folders: Folders) -> None:
    volumes = np.arange(2 * 6 * 5 * 4).reshape(2, 6, 5, 4)
    folders.write(images=volumes, labels=[0, 1])
    source = structs.replace(CARD.source, axes="WHD")
    dataset = folders.open(replace(CARD, kind="volume", shape=(6, 5, 4), source=source))
    np.testing.assert_array_equal(dataset.images[:, 0], volumes.transpose(0, 3, 2, 1))
    assert dataset.warnings == ()


@pytest.mark.parametrize("channels", [(), (2,)])
def test_volumes_deeper_than_wide_are_kept_and_named(
    folders: Folders, channels: tuple[int, ...]
) -> None:
    volumes = np.arange(2 * math.prod(channels) * 6 * 5 * 4).reshape(2, *channels, 6, 5, 4)
    folders.write(images=volumes, labels=[0, 1])
    dataset = folders.open(replace(CARD, kind="volume"))
    assert dataset.images.shape[2:] == (6, 5, 4)
    (note,) = dataset.warnings
    assert note.startswith("volumes are 6x5x4 (DxHxW), deeper than wide; if their slices lie along")
    assert note.endswith('say axes = "WHD" under [source] on the card, else axes = "DHW"')


# ------------------------------------------------------------------ what is said of it


def test_samples_and_groups_that_look_wrong_are_named(folders: Folders) -> None:
    images = IMAGES.copy()
    images[[3, 7]] = 0
    groups = np.array(["p1", "p2"] * 9 + ["P1", "p2 "])
    folders.write(images=images, labels=LABELS, groups=groups)
    dataset = folders.open()
    respelt, blank = dataset.warnings
    assert respelt.startswith(
        "groups 'P1' and 'p1' differ in white space, case or form alone and are"
    )
    assert blank == "2 samples hold one value only, blank or constant: 3, 7"
    assert dataset.groups is not None
    assert dataset.groups.tolist() == [0, 1] * 10


def test_a_card_that_names_a_group_which_the_file_lacks(folders: Folders) -> None:
    folders.write(images=IMAGES, labels=LABELS)
    (note,) = folders.open(replace(CARD, group="patient")).warnings
    assert note.startswith("ungrouped: the card says group = 'patient', but the file has no array")
    assert note.endswith("samples of one patient may lie on both sides of a split")


def test_site_and_covariates_of_a_file_are_content_where_there_are_any(folders: Folders) -> None:
    known = {
        "site": np.array(["a", "b"] * 10),
        "covariates": np.arange(20.0)[:, None],
        "covariate_names": np.array(["age"]),
    }
    folders.write(images=IMAGES, labels=LABELS)
    without = folders.open()
    assert (without.site, without.covariates, without.covariate_names) == (None, None, ())
    assert without.content_hash == content_hash({"images": without.images, "labels": LABELS})
    folders.write(images=IMAGES, labels=LABELS, **known)
    dataset = folders.open()
    assert dataset.site is not None
    assert dataset.site.tolist() == known["site"].tolist()
    assert dataset.covariates is not None
    assert dataset.covariate_names == ("age",)
    assert dataset.content_hash == content_hash(
        {"images": dataset.images, "labels": LABELS} | known
    )
