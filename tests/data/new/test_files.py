"""What is taken for a sample, a table and an outline."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbench.data.new.files import NIFTI, PICTURES, find_files, stem
from crossbench.errors import DataError


def holding(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_endings_count_in_any_case_and_litter_does_not(tmp_path: Path) -> None:
    folder = holding(
        tmp_path,
        "a/Ä 1.PNG",
        "a/b.JpEg",
        "a/.hidden.png",
        ".git/c.png",
        "__MACOSX/a/b.png",
        "Thumbs.db",
        "t.CSV",
        "t.xlsx",
        "notes.txt",
    )
    (folder / "empty").mkdir()
    (folder / "a/dangling.png").symlink_to("nowhere")
    (folder / "linked.png").symlink_to(folder / "a/b.JpEg")
    found = find_files(folder)
    assert found.samples == ("linked.png", "a/b.JpEg", "a/Ä 1.PNG")
    assert (found.form, found.tables, found.sheets) == (PICTURES, ("t.CSV",), ("t.xlsx",))
    (remark,) = found.remarks
    assert remark.shown == "1 file left out: neither picture, volume nor table: notes.txt"


def test_outlines_are_no_samples(tmp_path: Path) -> None:
    folder = holding(
        tmp_path,
        "benign (1).png",
        "benign (1)_mask.png",
        "benign (1)_mask_1.png",
        "mask.png",
        "x_mask.png",  # of nothing that is there
        "nodule_mask/1.png",
        "Masks/2.png",
        "task/3.png",
    )
    found = find_files(folder)
    assert found.samples == ("benign (1).png", "mask.png", "x_mask.png", "task/3.png")
    assert len(found.masks) == 4
    assert found.remarks[0].text == "4 files left out: by name a mask or an outline"
    only = find_files(holding(tmp_path / "other", "masks/a/1.nii", "masks/b/2.nii.gz"))
    assert (only.samples, only.form) == (("masks/a/1.nii", "masks/b/2.nii.gz"), NIFTI)


def test_a_stem_has_no_ending() -> None:
    names = ["d/a.nii.gz", "a.NII.GZ", "a.nii", "a.b.png", ".gz"]
    assert [stem(name) for name in names] == ["a", "a", "a", "a.b", ".gz"]


def test_folders_without_samples_of_one_form_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        find_files(tmp_path / "nowhere")
    holding(tmp_path / "sub", "a.png")
    with pytest.raises(DataError, match=r"a\.png: is a file; name its folder"):
        find_files(tmp_path / "sub" / "a.png")
    (tmp_path / "sub" / "a.png").unlink()
    with pytest.raises(DataError, match=r"no pictures or volumes in it \(\.png \.jpg"):
        find_files(tmp_path)
    holding(tmp_path, "a.png", "b.nii")
    with pytest.raises(
        DataError, match="holds 1 pictures and 1 NIfTI files; a task has samples of"
    ):
        find_files(tmp_path)
