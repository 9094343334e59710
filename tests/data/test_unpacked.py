"""Uncompressed copies in the cache: equal samples, from whichever is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from crossbench.data.embedded import read_embedded
from crossbench.data.formats.npz import is_mapped
from crossbench.data.unpacked import copy_of, make_copy
from crossbench.data.watch import FileState
from crossbench.errors import DataError
from crossbench.registry.tasks import load_card

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.data.dataset import Dataset
    from crossbench.specs import TaskCard

CARD = """
name = "cubes"
title = "Cubes"
dimension = 3
modality = "Drawing"
classes = ["dim", "bright"]
licence = "CC0-1.0"
citation = "Drawn for the tests"
metric = "accuracy"
version = 1

[source]
kind = "embedded"
file = "cubes.npz"
images = "volumes"
label = "brightness"
threshold = 3
"""


@pytest.fixture
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TaskCard:
    """A card beside its file, whose states count as settled at once."""
    monkeypatch.setattr(FileState, "is_settled", lambda _: True)
    volumes = np.random.default_rng(0).integers(0, 100, (8, 4, 4, 4)).astype(np.uint8)
    np.savez_compressed(
        tmp_path / "cubes.npz",
        volumes=volumes,
        brightness=np.array([1, 2, 4, 5, 3, 1, 5, 2], np.float32),
        groups=np.arange(8) // 2,
    )
    (tmp_path / "cubes.toml").write_text(CARD, encoding="utf-8")
    return load_card(tmp_path / "cubes.toml")


def facts(dataset: Dataset) -> list[Any]:
    return [
        dataset.content_hash, dataset.file, dataset.intensity, dataset.warnings,
        dataset.images.tolist(), dataset.labels.tolist(), dataset.as_stored.hashes.tolist(),
    ]  # fmt: skip


def test_samples_are_the_same_from_file_and_copy(card: TaskCard, tmp_path: Path) -> None:
    file, cache = tmp_path / "cubes.npz", tmp_path / "cache"
    assert copy_of(file, cache) is None
    plain = facts(read_embedded(card))
    found = [read_embedded(card, cache) for _ in range(3)]  # copied, checked, known
    assert [facts(each) for each in found] == [plain] * 3
    assert [is_mapped(each.as_stored.images[0]) for each in found] == [False, True, True]
    copy = copy_of(file, cache)
    assert copy is not None
    assert len(list((cache / "checked").iterdir())) == 1


def test_a_copy_that_was_damaged_is_made_anew(card: TaskCard, tmp_path: Path) -> None:
    file, cache = tmp_path / "cubes.npz", tmp_path / "cache"
    before = facts(read_embedded(card, cache))
    copy = copy_of(file, cache)
    assert copy is not None
    whole = copy.read_bytes()
    for damaged in (whole[:300], whole[:250] + bytes([whole[250] ^ 1]) + whole[251:]):
        for _ in range(2):  # not known, and known
            copy.write_bytes(damaged)
            assert facts(read_embedded(card, cache)) == before
            assert copy.read_bytes() == whole
            assert facts(read_embedded(card, cache)) == before


def test_another_file_has_another_copy(card: TaskCard, tmp_path: Path) -> None:
    file, cache = tmp_path / "cubes.npz", tmp_path / "cache"
    before = read_embedded(card, cache)
    with np.load(file) as arrays:
        changed = dict(arrays) | {"volumes": arrays["volumes"] + np.uint8(1)}
    np.savez_compressed(file, **changed)
    assert copy_of(file, cache) is None
    assert read_embedded(card, cache).content_hash != before.content_hash
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"cubes\.npz: truncated, damaged or not an npz file"):
        read_embedded(card, cache)


def test_nothing_is_copied_that_might_still_be_written_to_nor_where_nothing_can_be(
    card: TaskCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cubes.npz"
    (tmp_path / "closed").write_text("no folder")
    make_copy(file, tmp_path / "closed")
    assert facts(read_embedded(card, tmp_path / "closed")) == facts(read_embedded(card))
    monkeypatch.setattr(FileState, "is_settled", lambda _: False)
    make_copy(file, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()
