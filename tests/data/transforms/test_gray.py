from __future__ import annotations

import pytest
import torch

from crossbench.data.transforms import STATISTICS, RandomSource
from crossbench.data.transforms.batch import normalise
from crossbench.data.transforms.gray import find_gray
from crossbench.data.transforms.volume import VolumeTransform

MEAN, STD = STATISTICS["imagenet"]


@pytest.mark.parametrize("statistics", ["imagenet", "radimagenet"])
def test_channels_follow_from_the_first_as_noted(statistics: str) -> None:
    batch = normalise(torch.rand(2, 1, 4, 5), *STATISTICS[statistics])
    gray = find_gray(batch)
    assert gray is not None
    assert any(gray.offset) == (statistics == "imagenet")
    for channel, (scale, offset) in enumerate(zip(gray.scale, gray.offset, strict=True)):
        torch.testing.assert_close(scale * batch[:, 0] + offset, batch[:, channel])


@pytest.mark.parametrize("channels", [2, 3])
def test_colour_is_not_gray(channels: int) -> None:
    assert find_gray(normalise(torch.rand(2, channels, 4, 5), MEAN, STD)) is None


def test_noise_by_channel_takes_the_note_away() -> None:
    evaluate = VolumeTransform(value_range=(0, 1), mean=MEAN, std=STD)
    augment = VolumeTransform(value_range=(0, 1), mean=MEAN, std=STD, augment=True)
    raw = torch.rand(8, 1, 4, 4, 4)
    assert find_gray(evaluate(raw)) is not None
    assert find_gray(augment(raw, RandomSource(0, "cpu"))) is None


def test_the_note_is_of_one_tensor_as_it_was() -> None:
    batch = normalise(torch.rand(2, 1, 4, 5), MEAN, STD)
    assert find_gray(batch + 0) is find_gray(batch[:1]) is find_gray(batch.clone()) is None
    assert find_gray(batch.float()) is not None  # the tensor itself
    batch[0, 1] += 1
    assert find_gray(batch) is None


def test_a_batch_that_wants_a_gradient_has_three_channels() -> None:
    batch = normalise(torch.rand(2, 1, 4, 5), MEAN, STD)
    assert find_gray(batch.requires_grad_()) is None


def test_a_tensor_whose_changes_are_not_counted_is_not_noted() -> None:
    with torch.inference_mode():
        assert find_gray(normalise(torch.rand(2, 1, 4, 5), MEAN, STD)) is None
