from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from shared_data import shared_data

from crossbench.data.verify import Verdict, verify
from crossbench.errors import MissingDataError
from crossbench.registry.tasks import find_task, load_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def verified(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Verdict]:
    """Write a task of blobs and verify it."""

    def of(dimension: int = 2, **given: Any) -> Verdict:
        card = load_card(make_task(dimension=dimension, **given))
        return verify(card, data_dir=tmp_path, cache_dir=tmp_path / "cache")[0]

    return of


def blobs(samples: int = 60) -> np.ndarray:
    """Samples of two classes, pairs of them, that differ from each other."""
    random = np.random.default_rng(5)
    images = random.integers(0, 160, (samples, 20, 20))
    images[np.arange(samples) // 2 % 2 == 1, 4:12, 4:12] += 90
    return images.astype(np.uint8)


def levels(verdict: Verdict) -> dict[str, str]:
    return {each.check: each.level for each in verdict.findings}


def said(verdict: Verdict, check: str) -> str:
    return next(each.text for each in verdict.findings if each.check == check)


def test_data_that_holds(verified: Callable[..., Verdict]) -> None:
    extra = "shape = [20, 20]\nchannels = 1\nclass_counts = [30, 30]\nintensity = [0, 255]"
    verdict = verified(images=blobs(), extra=extra)
    assert verdict.holds
    found = levels(verdict)
    assert {found.pop("shortcut"), found.pop("checksum")} == {"remark"}
    assert set(found.values()) == {"holds"}
    assert (verdict.samples, verdict.form, verdict.groups) == (60, "1x20x20 uint8", 30)
    assert verdict.classes == {"dark": 30, "bright": 30}
    assert "30 patients of 2 to 2 samples" in said(verdict, "groups")
    assert len(verdict.content) == 64


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_shortcut_is_told_beside_the_majority(
    verified: Callable[..., Verdict], dimension: int
) -> None:
    verdict = verified(dimension)
    best = max(verdict.shortcuts, key=lambda each: each.score)
    assert best.score > 0.9
    assert best.majority == 0.5
    assert best.ahead
    assert {each.features for each in verdict.shortcuts} == {
        "border",
        "histogram",
        "all together",
    }
    assert "the majority class 0.500 (cross-validated by group)" in said(verdict, "shortcut")


def test_what_the_file_says_of_the_acquisition(verified: Callable[..., Verdict]) -> None:
    labels = np.arange(60) // 2 % 2
    sizes = np.stack([200 + 100 * labels, np.full(60, 300)], axis=1)
    sites = np.where(np.arange(60) < 30, "here", "there")
    verdict = verified(images=blobs(), acquisition=sizes, sites=sites)
    found = {each.features: each for each in verdict.shortcuts if each.model == "logistic"}
    assert found["acquisition"].score == 1
    assert found["acquisition"].ahead
    assert found["sites"].score < 0.7
    verdict = verified(images=blobs(), acquisition=sizes[:7], sites=np.arange(60))
    assert {each.features for each in verdict.shortcuts} == {
        "border",
        "histogram",
        "all together",
    }


def test_every_contradiction_of_the_card_is_a_fault(verified: Callable[..., Verdict]) -> None:
    extra = (
        "shape = [9, 9]\nchannels = 3\nclass_counts = [1, 59]\nintensity = [-1000, 400]\n"
        f'samples = {{ paper = 61 }}\nchecksum = {{ md5 = "{"0" * 32}" }}'
    )
    verdict = verified(images=blobs(), extra=extra)
    assert not verdict.holds
    assert verdict.sentence.startswith("blobs: does not hold (6 faults")
    faults = {each.check for each in verdict.findings if each.level == "fault"}
    assert faults == {
        "checksum.md5",
        "shape",
        "channels",
        "class_counts",
        "intensity",
        "samples",
    }
    assert said(verdict, "shape") == "shape (H, W) is [20, 20], but card 'blobs' says [9, 9]"


def test_broken_voxels_are_all_named(verified: Callable[..., Verdict]) -> None:
    images = blobs().astype(np.float32)
    images[[3, 7], 0, 0] = np.nan
    images[9, 0, 0] = np.inf
    verdict = verified(images=images)
    assert not verdict.holds
    assert said(verdict, "voxels") == "3 of 60 samples have NaN or infinite voxels: 3, 7, 9"
    assert "sample 3 has NaN or infinite voxels" in said(verdict, "file")
    assert verdict.samples == 0


def test_labels_beyond_the_card_and_classes_without_samples(
    verified: Callable[..., Verdict],
) -> None:
    verdict = verified(images=blobs(), labels=np.full(60, 2))
    assert "the label of sample 0 is 2" in said(verdict, "file")
    verdict = verified(images=blobs(), labels=np.zeros(60, np.int64))
    assert said(verdict, "labels") == "no sample is of class 'bright'"
    assert levels(verdict)["folds"] == "fault"
    assert not verdict.holds


def test_blank_samples_are_named(verified: Callable[..., Verdict]) -> None:
    images = blobs()
    images[4], images[11] = 0, 77
    verdict = verified(images=images)
    assert said(verdict, "blank") == "2 samples of one value only, blank or constant: 4, 11"
    assert said(verdict, "exact copies") == "0 pairs of exact copies"


def test_copies_across_folds_classes_and_official_parts(verified: Callable[..., Verdict]) -> None:
    images, groups = blobs(), np.arange(60)
    images[8] = images[0]  # the same class, another group
    images[12] = np.clip(images[3] * 0.9 + 4, 0, 255)
    images[32] = images[7]  # another class
    official = np.zeros(60, np.int8)
    official[30:45], official[45:] = 1, 2
    verdict = verified(images=images, groups=groups, official=official)
    assert not verdict.holds
    assert said(verdict, "exact copies across classes") == (
        "1 pair of exact copies carries two labels: 7 and 32"
    )
    assert said(verdict, "exact copies across official parts") == (
        "1 pair across parts of it: 0 train-test, 1 train-val, 0 val-test"
    )
    assert said(verdict, "near copies across classes").endswith("different labels: 3 and 12")
    found = levels(verdict)
    assert found["exact copies across folds"] == found["near copies across folds"] == "fault"
    assert "crossbench data groups blobs --near-duplicates" in said(
        verdict, "near copies across folds"
    )
    assert found["groups across official parts"] == "holds"


def test_copies_in_one_group_do_not_leak(verified: Callable[..., Verdict]) -> None:
    images = blobs()
    images[1::2] = images[::2]  # each group is a sample twice
    verdict = verified(images=images)
    assert verdict.holds
    assert levels(verdict)["exact copies across folds"] == "holds"


def test_groups_that_straddle_the_official_split(verified: Callable[..., Verdict]) -> None:
    verdict = verified(images=blobs(), official=np.arange(60) % 3)
    assert said(verdict, "groups across official parts").startswith(
        "30 groups across parts of it: 10 train-test, 10 train-val, 10 val-test"
    )


def test_ungrouped_data_says_so(verified: Callable[..., Verdict], tmp_path: Path) -> None:
    verdict = verified(images=blobs(), groups=np.arange(60))
    file = tmp_path / "blobs.npz"
    with np.load(file) as archive:
        arrays = {name: archive[name] for name in ("images", "labels")}
    np.savez(file, **arrays)
    verdict, _ = verify(
        load_card(tmp_path / "blobs.toml"), data_dir=tmp_path, cache_dir=tmp_path / "cache"
    )
    assert verdict.groups is None
    assert said(verdict, "groups").startswith("ungrouped: samples of one patient may be trained")


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint16, np.float16, np.float64])
def test_any_stored_dtype(verified: Callable[..., Verdict], dtype: Any) -> None:
    images = np.random.default_rng(0).integers(0, 2, (60, 20, 20)).astype(dtype)
    verdict = verified(images=images)
    assert verdict.form == f"1x20x20 {np.dtype(dtype)}"
    assert verdict.holds


@pytest.mark.parametrize("shape", [(60, 1, 1), (60, 3, 2), (60, 9, 400), (2, 8, 8), (60, 8, 8, 3)])
def test_any_size(verified: Callable[..., Verdict], shape: tuple[int, ...]) -> None:
    images = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    groups, labels = np.arange(shape[0]) // 2, np.arange(shape[0]) // 2 % 2
    verdict = verified(images=images, groups=groups, labels=labels)
    assert said(verdict, "voxels") == "every voxel is a finite number"
    assert verdict.samples == shape[0]


def test_nothing_but_blank_samples(verified: Callable[..., Verdict]) -> None:
    verdict = verified(images=np.zeros((60, 8, 8), np.uint8))
    assert said(verdict, "blank").startswith("60 samples of one value only")
    assert said(verdict, "near copies") == "0 pairs of near copies"
    assert verdict.shortcuts == ()
    verdict = verified(images=np.zeros((60, 2, 8, 8, 8), np.float32), dimension=3)
    assert said(verdict, "blank").startswith("60 samples of one value only")


def test_a_file_that_is_not_there(make_task: Callable[..., Path], tmp_path: Path) -> None:
    card = load_card(make_task())
    with pytest.raises(MissingDataError, match=r"no blobs\.npz in"):
        verify(card, data_dir=tmp_path / "elsewhere", cache_dir=tmp_path)


def test_a_damaged_file_is_a_fault(make_task: Callable[..., Path], tmp_path: Path) -> None:
    card = load_card(make_task())
    whole = (tmp_path / "blobs.npz").read_bytes()
    (tmp_path / "blobs.npz").write_bytes(whole[: len(whole) // 2])
    verdict, dataset = verify(card, data_dir=tmp_path, cache_dir=tmp_path / "cache")
    assert dataset is None
    assert not verdict.holds
    assert "truncated, damaged or not an npz file" in said(verdict, "file")


@pytest.mark.parametrize(
    ("name", "holds", "near"),
    [("vessel-28", True, 1), ("breast-28", False, 205)],
)
def test_official_files(tmp_path: Path, name: str, near: int, *, holds: bool) -> None:
    folder = shared_data("medmnist")
    verdict, _ = verify(find_task(name), data_dir=folder, cache_dir=tmp_path)
    found = {each.check: each for each in verdict.findings}
    assert verdict.holds == holds
    assert found["checksum.md5"].level == "holds"
    assert found["near copies"].count == near
    if name == "breast-28":  # eight lesions are filed as benign and as malignant
        across = ("exact copies across classes", "near copies across classes")
        assert sum(found[check].count for check in across) == 8
