from __future__ import annotations

import numpy as np
import pytest

from crossbench.data.inputs.image import Image
from crossbench.data.inputs.volume import Volume
from crossbench_leaderboard.montage import evenly, montage

TILE = 100  # 96 pixels and a gap


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_images_stand_side_by_side(channels: int) -> None:
    images = np.random.default_rng(0).random((5, channels, 8, 6))
    picture = montage(Image(), images, np.array([0, 2, 4]))
    assert picture.shape == (TILE, 3 * TILE, 3)
    assert picture.dtype == np.uint8
    assert picture.max() == 255


def test_volumes_show_their_middle_slices_in_three_planes() -> None:
    volume = np.zeros((1, 1, 4, 4, 4))
    volume[0, 0, 2] = 1  # the middle axial slice is bright, and a line in the other two
    picture = montage(Volume(), volume, np.array([0]))
    assert picture.shape == (3 * TILE, TILE, 3)
    tiles = [picture[place * TILE : place * TILE + 96, :96] for place in range(3)]
    assert [tile.mean() for tile in tiles] == pytest.approx([255, 255 / 4, 255 / 4])


def test_a_sample_of_one_value_is_black() -> None:
    assert montage(Image(), np.full((1, 1, 4, 4), 7), np.array([0]))[:96, :96].max() == 0


def test_samples_are_spread_over_their_class() -> None:
    labels = np.array([0, 1] * 10)
    assert list(evenly(labels, 1, 3)) == [1, 9, 19]
    assert list(evenly(labels, 0, 99)) == list(range(0, 20, 2))
