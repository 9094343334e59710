"""Classes, parts and groups from folders."""

from __future__ import annotations

import pytest

from crossbench.data.new.folders import by_folders
from crossbench.errors import DataError


def told(*files: str, grouped: bool = True) -> list[tuple[str, int, str]]:
    """Class, part and group of each file."""
    found = by_folders(files, grouped=grouped).samples
    assert [sample.file for sample in found] == [sample.id for sample in found]
    return [(sample.label, sample.part, sample.group) for sample in found]


def test_a_folder_is_a_class_however_deep_they_lie_together() -> None:
    assert told("a/1.png", "b/2.png") == [("a", -1, ""), ("b", -1, "")]
    assert told("x/y/a/1.png", "x/y/b/2.png") == [("a", -1, ""), ("b", -1, "")]
    assert told("x/a/images/1.png", "x/b/images/2.png") == [("a", -1, ""), ("b", -1, "")]
    assert told("a/1.png") == [("a", -1, "")]  # one class, which is refused later


@pytest.mark.parametrize(
    ("names", "codes"),
    [
        (("train", "val", "test"), (0, 1, 2)),
        (("Training", "VALID", "Testing"), (0, 1, 2)),
        (("train", "dev"), (0, 1)),
    ],
)
def test_parts_of_a_split_are_recognised(names: tuple[str, ...], codes: tuple[int, ...]) -> None:
    above = [f"set/{name}/{label}/1.png" for name in names for label in "ab"]
    assert told(*above) == [(label, code, "") for code in codes for label in "ab"]
    below = [f"{label}/{name}/1.png" for name in names for label in "ab"]
    assert told(*below) == [(label, code, "") for code in codes for label in "ab"]


def test_a_part_alone_is_a_class() -> None:
    assert told("test/1.png", "other/1.png") == [("test", -1, ""), ("other", -1, "")]


def test_parts_beside_other_folders_are_refused() -> None:
    files = ("train/a/1.png", "test/a/1.png", "extra/a/1.png")
    with pytest.raises(DataError, match=r"folders test, train are parts of a split, but not extra"):
        by_folders(files)
    with pytest.raises(DataError, match=r"but not files beside them; take these elsewhere"):
        by_folders(("train/a/1.png", "test/a/1.png", "1.png"))


def test_folders_of_all_samples_in_a_class_are_patients_where_there_are_several() -> None:
    files = [
        f"{label}/sub-{number}/{each}.png" for label in "ab" for number in range(3) for each in "12"
    ]
    groups = [f"sub-{number}" for _ in "ab" for number in range(3) for _ in "12"]
    found = by_folders([*files, "b/sub-9/1.png", "a/sub-7/1.png", "a/sub-8/1.png"])
    assert [sample.group for sample in found.samples][: len(files)] == groups
    assert found.group == "folder"
    assert any("taken as the patients" in remark.text for remark in found.remarks)
    assert {group for *_, group in told(*files)} == {""}  # three are too few
    few = by_folders(files).remarks
    assert [remark.text for remark in few if remark.topic == "groups"] == [
        "3 folders within class folders not taken as groups: too few"
    ]
    loose = by_folders([*files, "a/1.png", *(f"a/other{number}/1.png" for number in range(9))])
    assert loose.group == ""
    assert any("groups: not all samples lie in one" in remark.text for remark in loose.remarks)
    deep = [f"a/p{number}/t1/1.png" for number in range(9)]
    assert by_folders([*deep, "b/p0/t1/1.png"]).group == "folder"
    assert by_folders([*deep, "b/p0/t1/1.png"], grouped=False).group == ""


def test_files_beside_the_class_folders_are_left_out() -> None:
    found = by_folders(("a/1.png", "b/2.png", "cover.png"))
    assert len(found.samples) == 2
    (remark,) = [remark for remark in found.remarks if remark.topic == "left out"]
    assert remark.shown == "1 file left out: in no class folder: cover.png"
    with pytest.raises(DataError, match=r"2 files lie in no class folders, such as 1\.png, 2\.png"):
        by_folders(("1.png", "2.png"))
