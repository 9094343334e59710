"""Parameters drawn for images, and their application, against torchvision's."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
import torch
from drawn import is_half, is_uniform, rand
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torchvision.transforms import RandomResizedCrop
from torchvision.transforms.v2 import functional as tv

from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.image import (
    centre_images,
    crop_images,
    draw_images,
    jitter_colours,
)

examples = settings(deadline=None, max_examples=30)

MANY = 4000


@pytest.mark.parametrize(
    ("size", "scale"),
    [((96, 128), (0.08, 1.0)), ((30, 200), (0.5, 1.0)), ((7, 7), (0.01, 1.0))],
)
def test_crops_are_distributed_as_torchvisions(size, scale):
    drawn = draw_images(RandomSource(0, "cpu"), torch.Size((MANY, 1, *size)), scale)
    torch.manual_seed(0)
    image = torch.empty(1, *size)
    theirs = torch.tensor(
        [RandomResizedCrop.get_params(image, list(scale), [3 / 4, 4 / 3]) for _ in range(MANY // 2)]
    )
    ours = torch.stack([drawn.top, drawn.left, drawn.height, drawn.width], dim=1)
    for column in range(4):
        assert ks_2samp(ours[:, column].numpy(), theirs[:, column].numpy()).pvalue > 1e-3
    shares = [(crops[:, 2] * crops[:, 3]).numpy() for crops in (ours, theirs)]
    assert ks_2samp(*shares).pvalue > 1e-3


@examples
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    low=st.floats(0.01, 1.0),
    seed=st.integers(0, 2**32),
)
def test_crops_lie_within_the_image(size, low, seed):
    drawn = draw_images(RandomSource(seed, "cpu"), torch.Size((20, 3, *size)), (low, 1.0))
    assert (drawn.height >= 1).all()
    assert (drawn.width >= 1).all()
    assert (drawn.top >= 0).all()
    assert (drawn.left >= 0).all()
    assert (drawn.top + drawn.height <= size[0]).all()
    assert (drawn.left + drawn.width <= size[1]).all()


@pytest.mark.parametrize("size", [(4, 200), (200, 4), (1, 1), (3, 4), (30, 40), (41, 30)])
def test_where_no_crop_fits_the_centre_is_taken_as_by_torchvision(size):
    drawn = draw_images(RandomSource(0, "cpu"), torch.Size((5, 1, *size)), (4.0, 4.0))
    expected = RandomResizedCrop.get_params(torch.empty(1, *size), [4.0, 4.0], [3 / 4, 4 / 3])
    for ours in zip(drawn.top, drawn.left, drawn.height, drawn.width, strict=True):
        assert tuple(map(int, ours)) == tuple(expected)


def test_colour_factors_and_mirroring_are_distributed_as_torchvisions():
    drawn = draw_images(RandomSource(1, "cpu"), torch.Size((MANY, 1, 8, 8)), (0.08, 1.0))
    assert is_half(drawn.flip)
    assert drawn.factors.shape == (4, MANY)
    for factors in drawn.factors[:3]:
        assert is_uniform(factors, 0.6, 1.4)
    assert is_uniform(drawn.factors[3], -0.1, 0.1)


def test_every_order_of_the_colour_adjustments_is_drawn_equally_often():
    random = RandomSource(2, "cpu")
    shape = torch.Size((1, 1, 4, 4))
    orders = [draw_images(random, shape, (0.5, 1)).order for _ in range(1200)]
    check_orders(torch.cat(orders).tolist())


def test_every_order_is_drawn_equally_often_where_each_sample_has_its_own():
    shape = torch.Size((1200, 1, 4, 4))
    drawn = draw_images(RandomSource(2, "cpu"), shape, (0.5, 1), jitter_order="sample")
    check_orders(drawn.order.tolist())


def test_the_samples_of_a_batch_share_their_order_unless_each_has_its_own():
    shape = torch.Size((40, 1, 4, 4))
    for jitter_order, distinct in (("batch", False), ("sample", True)):
        drawn = draw_images(RandomSource(3, "cpu"), shape, (0.5, 1), jitter_order=jitter_order)
        assert (len({tuple(row) for row in drawn.order.tolist()}) > 1) is distinct


def check_orders(draws):
    counts = [draws.count(list(order)) for order in itertools.permutations(range(4))]
    assert sum(counts) == len(draws)
    assert min(counts) > 50 - 4 * 50**0.5
    assert max(counts) < 50 + 4 * 50**0.5


@examples
@given(
    size=st.tuples(st.integers(3, 60), st.integers(3, 60)),
    channels=st.integers(1, 3),
    out=st.integers(1, 40),
    seed=st.integers(0, 99),
)
def test_crops_equal_torchvisions_resized_crop_and_flip(size, channels, out, seed):
    images = rand(4, channels, *size, seed=seed)
    drawn = draw_images(RandomSource(seed, "cpu"), images.shape, (0.08, 1.0))
    result = crop_images(images, drawn, out)
    for i, image in enumerate(images):
        box = [int(v[i]) for v in (drawn.top, drawn.left, drawn.height, drawn.width)]
        expected = tv.resized_crop(image, *box, size=[out, out], antialias=True)
        expected = tv.horizontal_flip(expected) if drawn.flip[i] else expected
        torch.testing.assert_close(result[i], expected, rtol=0, atol=1e-5)


@examples
@given(
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    channels=st.integers(1, 3),
    out=st.integers(1, 64),
)
def test_centre_images_equal_torchvisions_resize_and_centre_crop(size, channels, out):
    images = rand(2, channels, *size)
    resized = tv.resize(images, [round(out * 256 / 224)], antialias=True)
    expected = tv.center_crop(resized, [out, out])
    torch.testing.assert_close(centre_images(images, out), expected, rtol=0, atol=1e-6)


def torchvision_jitter(image: torch.Tensor, order, factors) -> torch.Tensor:
    adjust = (tv.adjust_brightness, tv.adjust_contrast, tv.adjust_saturation, tv.adjust_hue)
    for index in order:
        image = adjust[index](image, float(factors[index]))
    return image


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
@pytest.mark.parametrize("channels", [1, 3])
def test_colour_jitter_equals_torchvisions_on_three_channels(order, channels):
    images = rand(6, channels, 9, 8, seed=order[0])
    images[0] = (images[0] * 3).round() / 3  # ties between channels
    images[1] = images[1, :1]  # gray in three channels
    drawn = draw_images(RandomSource(order[0], "cpu"), images.shape, (0.08, 1.0))
    result = jitter_colours(images, replace(drawn, order=torch.tensor(order).expand(6, 4)))
    assert result.shape == images.shape
    for i, image in enumerate(images.expand(-1, 3, -1, -1)):
        expected = torchvision_jitter(image, order, drawn.factors[:, i])
        torch.testing.assert_close(result[i].expand(3, -1, -1), expected, rtol=0, atol=1e-5)
