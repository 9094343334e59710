"""Variations on another task's file: the same samples, another contrast, other labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossbench.data.dataset import Dataset
from crossbench.data.sources import open_task
from crossbench.errors import CardError, DataError
from crossbench.registry.tasks import find_task

Make = Callable[..., Dataset]


@pytest.fixture
def variation(make_task: Callable[..., Path], tmp_path: Path) -> Make:
    """The task of blobs, or one on its file with further keys of its source."""

    def make(*keys: str, dimension: int = 3, **arrays: np.ndarray) -> Dataset:
        card = make_task(**arrays)
        if keys:
            text = card.read_text().replace('name = "blobs"', 'name = "varied"')
            text = text.replace("dimension = 3", f"dimension = {dimension}")
            card = tmp_path / "varied.toml"
            card.write_text(text + "\n".join(['task = "blobs"', *keys]))
        return open_task(
            find_task(str(card)), data="real", data_dir=tmp_path, cache_dir=tmp_path / "cache"
        )

    return make


def test_inverted_samples_are_told_by_the_file_they_come_from(variation: Make) -> None:
    base, inverted = variation(), variation("invert = true")
    assert np.array_equal(inverted.images, 255 - base.images)
    assert np.array_equal(inverted.as_stored.images[0], base.images)
    assert np.array_equal(inverted.as_stored.groups, base.groups)
    assert inverted.content_hash != base.content_hash
    assert inverted.intensity == tuple(255 - value for value in reversed(base.intensity or ()))
    assert np.array_equal(variation().images, base.images)  # what is kept of a file is not mixed up


def test_signed_intensities_are_mirrored_without_overflow(variation: Make) -> None:
    images = np.arange(60 * 8, dtype=np.int16).reshape(60, 2, 2, 2) - 1000
    assert np.array_equal(variation("invert = true", images=images).images[:, 0], -1 - images)


def test_permuted_labels_leave_the_folds_as_they_were(variation: Make) -> None:
    base, dealt = variation(), variation("permute = 3")
    assert np.array_equal(dealt.strata, base.labels)
    assert not np.array_equal(dealt.labels, base.labels)
    assert np.array_equal(np.bincount(dealt.labels), np.bincount(base.labels))
    assert np.array_equal(dealt.images, base.images)


def test_fractions_cannot_be_inverted(variation: Make) -> None:
    with pytest.raises(DataError, match=r"source\.invert turns whole numbers around alone"):
        variation("invert = true", images=np.random.default_rng(0).random((60, 4, 4, 4)))


def test_a_card_of_images_may_read_slices_of_a_file_of_volumes(variation: Make) -> None:
    base = variation()
    middle = variation('slice = "middle"', dimension=2)
    assert np.array_equal(middle.images, base.images[:, :, 9])
    assert np.array_equal(middle.as_stored.images[0], base.images)
    assert np.array_equal(middle.labels, base.labels)
    assert middle.groups is not None
    assert np.array_equal(middle.groups, base.groups)
    dark = variation('slice = "middle"', "invert = true", dimension=2)
    assert np.array_equal(dark.images, 255 - middle.images)
    assert np.array_equal(dark.as_stored.images[0], base.images)
    fullest = variation('slice = "fullest"', dimension=2).images
    sums = base.images.sum(axis=(1, 3, 4))
    assert np.array_equal(fullest.sum(axis=(1, 2, 3)), sums.max(axis=1))
    assert len({base.content_hash, middle.content_hash, dark.content_hash}) == 3
    assert np.array_equal(variation('slice = "middle"', dimension=2).images, middle.images)


def test_a_card_of_volumes_has_no_slices(variation: Make) -> None:
    with pytest.raises(CardError, match=r"source\.slice.*samples of kind 'volume' are slices of"):
        variation('slice = "middle"')
