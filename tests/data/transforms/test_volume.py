"""Drawn parameters of volumes against their distributions, and their application."""

from __future__ import annotations

import torch
from drawn import is_half, is_uniform, rand
from monai.transforms import RandGaussianNoise
from scipy.stats import kstest

from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.image import (
    crop_images,
    draw_images,
    jitter_colours,
)
from crossbench.data.transforms.volume import disturb_volumes, draw_volumes, move_volumes

MANY = 4000


def test_volume_parameters_are_distributed_as_monais():
    drawn = draw_volumes(RandomSource(0, "cpu"), torch.Size((MANY, 1, 1, 1, 1)))
    assert is_half(drawn.flip)
    for values, rest, low, high in (
        (drawn.angle, 0, -15, 15),
        (drawn.zoom, 1, 0.9, 1.1),
        (drawn.noise_std, 0, 0, 0.1),
        (drawn.offset, 0, -0.1, 0.1),
    ):
        assert is_half(values != rest)
        assert is_uniform(values[values != rest], low, high)


def test_volume_parameters_are_drawn_independently():
    drawn = draw_volumes(RandomSource(5, "cpu"), torch.Size((MANY, 1, 1, 1, 1)))
    acts = torch.stack(
        [drawn.flip, drawn.angle != 0, drawn.zoom != 1, drawn.noise_std != 0, drawn.offset != 0]
    )
    off_diagonal = acts.double().corrcoef() - torch.eye(5, dtype=torch.float64)
    assert off_diagonal.abs().max() < 4 / MANY**0.5


def test_noise_has_its_samples_standard_deviation_and_three_channels_of_its_own():
    drawn = draw_volumes(RandomSource(0, "cpu"), torch.Size((12, 1, 20, 20, 20)))
    std = drawn.noise_std[drawn.noise_std != 0]
    assert drawn.noise.shape == (len(std), 3, 20, 20, 20)
    assert drawn.noise.dtype == torch.float32
    standard = drawn.noise.double() / std[:, None, None, None, None]
    assert kstest(standard.flatten()[::7].numpy(), "norm").pvalue > 1e-3
    torch.testing.assert_close(
        standard.std((1, 2, 3, 4)), torch.ones(len(std)).double(), rtol=0.02, atol=0
    )
    channels = standard[0].flatten(1).corrcoef() - torch.eye(3, dtype=torch.float64)
    assert channels.abs().max() < 0.05


def test_monai_draws_the_standard_deviation_from_zero_up():
    """What ``noise_std`` is modelled on, in the version of MONAI at hand."""
    noise = RandGaussianNoise(prob=1.0, std=0.1).set_random_state(0)
    spread = torch.stack([noise(torch.zeros(1, 12, 12, 12)).as_tensor().std() for _ in range(300)])
    assert spread.min() < 0.01
    assert abs(float(spread.mean()) - 0.05) < 0.006


def test_samples_at_rest_are_left_alone():
    volumes = rand(9, 1, 5, 6, 7)
    drawn = draw_volumes(RandomSource(4, "cpu"), volumes.shape)
    still = ~drawn.flip & (drawn.angle == 0) & (drawn.zoom == 1)
    assert 0 < still.sum() < 9
    moved = move_volumes(volumes, drawn)
    assert torch.equal(moved[still], volumes[still])
    assert all(not torch.equal(moved[i], volumes[i]) for i in (~still).nonzero())
    colour = volumes.expand(-1, 3, -1, -1, -1)
    quiet = (drawn.noise_std == 0) & (drawn.offset == 0)
    assert 0 < quiet.sum() < 9
    assert torch.equal(disturb_volumes(colour, drawn)[quiet], colour[quiet])


def test_applying_parameters_draws_nothing_and_changes_no_input():
    volumes, images = rand(4, 3, 5, 6, 7), rand(4, 3, 16, 17)
    kept = volumes.clone(), images.clone()
    of_volumes = draw_volumes(RandomSource(1, "cpu"), volumes.shape)
    of_images = draw_images(RandomSource(1, "cpu"), images.shape, (0.08, 1.0))
    for apply in (
        lambda: disturb_volumes(move_volumes(volumes, of_volumes), of_volumes),
        lambda: jitter_colours(crop_images(images, of_images, 8), of_images),
        lambda: jitter_colours(images, of_images),
        lambda: disturb_volumes(volumes, of_volumes),
    ):
        assert torch.equal(apply(), apply())
    assert torch.equal(volumes, kept[0])
    assert torch.equal(images, kept[1])
