from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from msgspec import structs
from shared_data import shared_data

from crossbench.data.groups import Joined, from_copies, from_ids, from_tables, read_tables, remedies
from crossbench.data.sources import open_task
from crossbench.data.splits import make_splits
from crossbench.errors import DataError, RequestError
from crossbench.files.data_root import DataRoot
from crossbench.registry.presets import find_preset
from crossbench.registry.tasks import find_task, load_card

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.data.dataset import Dataset
    from crossbench.specs import TaskCard

PARTS = {"train": 8, "val": 4, "test": 4}


class Task:
    """A registered task with made samples of a few pixels, in MedMNIST's format or ours."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cache = folder, folder / "cache"

    def medmnist(self, name: str, parts: dict[str, int] = PARTS) -> TaskCard:
        """The card of a task, as of a file of another size, and that file."""
        card = find_task(name)
        silent: dict[str, Any] = dict.fromkeys(("shape", "channels", "class_counts", "intensity"))
        card = replace(card, checksum={}, origins=(), samples={}, **silent)
        random, arrays = np.random.default_rng(0), {}
        for part, count in parts.items():
            shape = (count,) + (4,) * (2 if card.kind == "image" else 3)
            arrays[f"{part}_images"] = random.integers(0, 256, shape, dtype=np.uint8)
            labels = np.arange(count) % len(card.classes)
            arrays[f"{part}_labels"] = labels[:, None]
        np.savez(self.folder / card.source.file, **arrays)
        return card

    def join(self, card: TaskCard, *files: Path) -> Joined:
        return from_tables(card, read_tables(files), data_dir=self.folder, cache_dir=self.cache)

    def opened(self, card: TaskCard) -> Dataset:
        return open_task(card, data="real", data_dir=self.folder, cache_dir=self.cache)

    def index(self, names: list[str], parts: dict[str, int] = PARTS) -> Path:
        """An index as MedMNIST's, its rows in another order than the samples."""
        keys = [(part, place) for part, count in parts.items() for place in range(count)]
        rows = [f"{part},{place},{name}" for (part, place), name in zip(keys, names, strict=True)]
        file = self.folder / "index.csv"
        file.write_text("\n".join(["split,index,image_id", *rows[::-1]]) + "\n")
        return file


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task(tmp_path)


STYLES = {
    "organc": [f"train-{place // 2}-{1 + place % 11}-coronal-{place:03d}" for place in range(16)],
    "organs": [f"test-{place // 2}-11-sagittal-{place:03d}.png" for place in range(16)],
    "fracture": [f"RibFrac{place // 2}-image-{place}" for place in range(16)],
    "vessel": [f"ArteryObjAN{place // 2}-{place}.obj" for place in range(15)] + ["AN7_full"],
    "pneumonia": [f"BACTERIA-{place // 2}-{place:04d}.jpeg" for place in range(16)],
}


@pytest.mark.parametrize("name", STYLES)
def test_an_index_of_medmnist_tells_groups(task: Task, name: str) -> None:
    card = task.medmnist(name)
    joined = task.join(card, task.index(STYLES[name]))
    assert (joined.groups, joined.samples, joined.largest) == (8, 16, 2)
    groups = task.opened(card).groups
    assert groups is not None
    assert (groups[::2] == groups[1::2]).all()


def test_persons_of_the_older_chest_x_rays(task: Task) -> None:
    card = task.medmnist("pneumonia")
    names = ["person1_bacteria_1.jpeg", "person1_virus_2.jpeg", "IM-0001-0001.jpeg"]
    names += ["NORMAL2-IM-0001-0001.jpeg", "IM-0002-0001-0002.jpeg"]
    names += [f"person{place}_virus_1" for place in range(10, 21)]
    joined = task.join(card, task.index(names))
    assert joined.groups == 3 + 11
    assert "one number is taken as one person" in joined.notes[0]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("organc", "train-1-1-sagittal-001"),
        ("organc", "train-1-12-coronal-001"),
        ("pneumonia", "person1_bacteria_1.jpeg"),
        ("vessel", "segment_17"),
        ("fracture", "rib-17"),
    ],
)
def test_an_unknown_style_is_refused(task: Task, name: str, image: str) -> None:
    card = task.medmnist(name)
    with pytest.raises(DataError, match=f"image_id '{image}' is not named as .* nothing is guess"):
        task.join(card, task.index([*STYLES[name][:-1], image]))
    assert not DataRoot(task.folder).groups(name).exists()


def test_an_index_of_another_set_is_refused(task: Task) -> None:
    card = task.medmnist("organc")
    file = task.index(STYLES["organc"])
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"\[7, 4, 4\] rows of train, val and test for \[8, 4, 4\]"):
        task.join(card, file)
    file.write_text("\n".join([*lines, lines[-1]]))
    with pytest.raises(DataError, match="row 18: train 0 is there twice"):
        task.join(card, file)
    file.write_text("\n".join([*lines[:-1], "extra,0,x"]))
    with pytest.raises(DataError, match="row 17 has split 'extra' and index '0'"):
        task.join(card, file)


def test_an_index_needs_the_official_split(task: Task) -> None:
    card = task.medmnist("organc")
    with np.load(task.folder / card.source.file) as archive:
        images, labels = archive["train_images"], archive["train_labels"]
    np.savez(task.folder / card.source.file, images=images, labels=labels)
    with pytest.raises(DataError, match=r"no official split, by which index\.csv counts"):
        task.join(card, task.index(STYLES["organc"]))


def test_groups_change_content_and_splits(task: Task) -> None:
    card = task.medmnist("organc", {"train": 60, "val": 30, "test": 30})
    card = replace(card, classes=card.classes[:2], group="scan")
    file = task.folder / card.source.file
    with np.load(file) as archive:
        arrays = dict(archive)
    for part in ("train", "val", "test"):
        arrays[f"{part}_labels"] %= 2
    np.savez(file, **arrays)
    before = task.opened(card)
    assert before.groups is None
    assert before.warnings[0].startswith("ungrouped")
    table = task.folder / "mine.csv"
    rows = [f"{place},{place // 4}" for place in range(120)]
    table.write_text("\n".join(["index,group", *rows]))
    joined = task.join(card, table)
    after = task.opened(card)
    assert (joined.before, joined.content) == (before.content_hash, after.content_hash)
    assert joined.before != joined.content
    assert not any("ungrouped" in warning for warning in after.warnings)
    for split in make_splits(find_preset("standard").split, after.labels, after.groups):
        assert split.grouped
        assert not {*split.test // 4} & {*split.train // 4, *split.val // 4}


def test_a_table_by_original_ids(make_task: Callable[..., Path], task: Task) -> None:
    card = load_card(make_task(ids=np.array([f"s{place}" for place in range(60)])))
    file = task.folder / "mine.csv"
    rows = [f"p{place // 3},s{place}" for place in reversed(range(60))]
    file.write_text("\n".join(["group,id", *rows]))
    joined = task.join(card, file)
    assert (joined.groups, joined.largest, joined.source) == (20, 3, "mine.csv by id")
    groups = task.opened(card).groups
    assert groups is not None
    assert (np.diff(groups)[2::3] != 0).all()
    assert (groups[::3] == groups[2::3]).all()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (["id,group", "a,1", "a,2"], "id 'a' is there twice"),
        (["id,group", "a,1"], "1 rows for the 60 samples"),
        (["id,group", *(f"t{place},1" for place in range(60))], "60 of 60 samples are in no row"),
        (["id,group", *(f"s{place}," for place in range(60))], "sample 's0' has no group"),
        (["name,patient", "a,1"], r"no style of table .* mine.csv \(name, patient\)"),
    ],
)
def test_tables_that_do_not_fit(
    make_task: Callable[..., Path], task: Task, rows: list[str], why: str
) -> None:
    card = load_card(make_task(ids=np.array([f"s{place}" for place in range(60)])))
    file = task.folder / "mine.csv"
    file.write_text("\n".join(rows))
    with pytest.raises(DataError, match=why):
        task.join(card, file)


def test_ids_that_a_file_lacks(make_task: Callable[..., Path], task: Task) -> None:
    card = load_card(make_task())
    file = task.folder / "mine.csv"
    file.write_text("id,group\na,1\n")
    with pytest.raises(DataError, match="names samples, but"):
        task.join(card, file)
    with pytest.raises(DataError, match="no array 'ids', which an imported file has"):
        from_ids(card, data_dir=task.folder, cache_dir=task.cache)


@pytest.mark.parametrize(
    ("ids", "groups"),
    [
        ([f"bus_{place // 2:04d}-{'lr'[place % 2]}" for place in range(60)], 30),
        ([f"IXI{place:03d}-Guys-{place + 700:04d}-T1" for place in range(60)], 60),
        ([f"{place:05d}" for place in range(60)], 60),
        ([f"CT-0/study_{place:04d}.nii.gz" for place in range(60)], 60),
    ],
)
def test_groups_by_original_ids(
    make_task: Callable[..., Path], task: Task, ids: list[str], groups: int
) -> None:
    card = load_card(make_task(ids=np.array(ids)))
    assert from_ids(card, data_dir=task.folder, cache_dir=task.cache).groups == groups


def test_ids_of_no_known_style_are_refused(make_task: Callable[..., Path], task: Task) -> None:
    ids = [f"bus_{place:04d}-l" for place in range(59)] + ["bus_1"]
    card = load_card(make_task(ids=np.array(ids)))
    with pytest.raises(DataError, match="identifiers such as 'bus_0000-l' are of no style"):
        from_ids(card, data_dir=task.folder, cache_dir=task.cache)


def test_copies_join_the_groups_that_there_are(make_task: Callable[..., Path], task: Task) -> None:
    images = np.random.default_rng(3).integers(0, 256, (60, 18, 18), dtype=np.uint8)
    images[50] = images[0]
    images[40] = images[3] // 2
    card = load_card(make_task(dimension=2, images=images))
    for _ in range(2):  # the same again
        joined = from_copies(card, data_dir=task.folder, cache_dir=task.cache)
        assert (joined.groups, joined.largest) == (28, 4)
        groups = task.opened(card).groups
        assert groups is not None
        assert len({*groups[[0, 1, 50, 51]].tolist()}) == 1
        assert len({*groups[[2, 3, 40, 41]].tolist()}) == 1
    assert joined.source == "clusters of near copies (perceptual hashes)" or "with" in joined.source


def test_damaged_groups_are_refused_with_the_way_out(
    make_task: Callable[..., Path], task: Task
) -> None:
    card = load_card(make_task())
    file = DataRoot(task.folder).groups("blobs")
    file.parent.mkdir()
    for content in (b"junk", b""):
        file.write_bytes(content)
        with pytest.raises(DataError, match=r"by crossbench data groups blobs --remove"):
            task.opened(card)
    np.savez(file, groups=np.arange(60))
    with pytest.raises(DataError, match=r"no array 'content'.* --remove"):
        task.opened(card)
    np.savez(file, groups=np.arange(60), content=np.array("0" * 64), source=np.array("x"))
    with pytest.raises(DataError, match=r"were joined to blobs\.npz of another content; join them"):
        task.opened(card)


def test_embedded_tasks_bring_their_groups(task: Task) -> None:
    with pytest.raises(RequestError, match="'nodule-malignancy-2d' ships with its groups"):
        from_copies(find_task("nodule-malignancy-2d"), data_dir=task.folder, cache_dir=task.cache)


def test_steps_name_every_table_and_its_source() -> None:
    text = "\n".join(remedies(find_task("derma")))
    for name in ("dermamnist_split_info.csv", "HAM10000_metadata.csv", "newly_discovered_dupl"):
        assert f"Get {name}" in text
    assert text.count("https://") >= 3
    assert "drive.google.com" in remedies(find_task("organs"))[0]
    assert "--near-duplicates" in remedies(find_task("breast"))[-1]


# -------------------------------------------------------------------- HAM10000's lesions

DUPLICATES = "similarity,from_img,to_img\n0.99,ISIC_0033481.jpg,ISIC_0033421.jpg\n"


def derma(task: Task) -> tuple[TaskCard, list[Path]]:
    """A task of as many tiny samples as HAM10000 has, and its three tables."""
    metadata = shared_data("tables", "HAM10000_metadata.csv")
    images = [line.split(",")[1] for line in metadata.read_text().splitlines()[1:]]
    parts = {"train": 7007, "val": 1003, "test": 2005}
    card = task.medmnist("derma", parts)
    duplicates = task.folder / "newly_discovered_duplicates.csv"
    duplicates.write_text(DUPLICATES)
    return card, [task.index(images, parts), metadata, duplicates]


def test_lesions_of_derma(task: Task) -> None:
    card, (index, metadata, duplicates) = derma(task)
    with pytest.raises(
        DataError, match=r"need newly_discovered_duplicates\.csv .* get it from htt"
    ):
        task.join(card, index, metadata)
    joined = task.join(card, index, metadata, duplicates)
    assert (joined.groups, joined.samples, joined.largest) == (7469, 10015, 6)
    assert joined.notes == (
        "7,470 lesions, 1 of them joined to others by 1 of 1 published duplicates",
    )
    duplicates.write_text("from_img,to_img\nISIC_9999999,ISIC_0033421\n")
    assert task.join(card, index, metadata, duplicates).groups == 7470
    index.write_text(index.read_text().replace("ISIC_0027419", "ISIC_X"))
    with pytest.raises(DataError, match="1 of 10015 samples are in no row, such as image_id 'ISIC"):
        task.join(card, index, metadata, duplicates)


# --------------------------------------------------------------- BreastMNIST, the real file


def test_near_copies_of_the_real_breast_ultrasounds(task: Task) -> None:
    card = find_task("breast")
    source = structs.replace(card.source, file="breastmnist.npz")
    checksum = {"md5": "750601b1f35ba3300ea97c75c52ff8f6"}
    card = replace(card, shape=(28, 28), source=source, checksum=checksum)
    task.folder.joinpath("breastmnist.npz").symlink_to(shared_data("medmnist", "breastmnist.npz"))
    joined = from_copies(card, data_dir=task.folder, cache_dir=task.cache)
    assert (joined.groups, joined.largest) == (605, 4)
    assert joined.notes == ("144 groups of two samples or more hold 319",)
    dataset = task.opened(card)
    assert dataset.content_hash == joined.content
    splits = make_splits(find_preset("standard").split, dataset.labels, dataset.groups)
    assert all(split.grouped for split in splits)
