"""Resampling matrices and the rotation against PyTorch's and MONAI's own operations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.transforms import Rotate, Zoom
from torch.nn import functional

from crossbench.data.transforms.resample import linear_weights, resample, rotate, zoom_weights

examples = settings(deadline=None, max_examples=60)


@st.composite
def crops(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Start, length, pixels and output pixels of one axis."""
    size = draw(st.integers(1, 40))
    length = draw(st.integers(1, size))
    return draw(st.integers(0, size - length)), length, size, draw(st.integers(1, 40))


def of(*values: float) -> torch.Tensor:
    """Parameters of a batch: int64, or float64 with all the bits of Python's numbers."""
    return torch.tensor(values, dtype=torch.float64 if isinstance(values[0], float) else None)


def axis_values(size: int, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.rand(1, 1, size, size, dtype=torch.float64, generator=random)


@examples
@given(crops())
def test_linear_weights_are_torchs_antialiased_interpolation(crop):
    start, length, size, out = crop
    x = axis_values(size)
    weights = linear_weights(of(start), of(length), size=size, out=out)
    cropped = x[..., start : start + length]
    expected = functional.interpolate(cropped, (size, out), mode="bilinear", antialias=True)
    torch.testing.assert_close(x @ weights.mT, expected, rtol=0, atol=1e-12)


@examples
@given(crops())
def test_linear_weights_stay_in_the_crop_and_sum_to_one(crop):
    start, length, size, out = crop
    weights = linear_weights(of(start), of(length), size=size, out=out)
    assert weights.shape == (1, out, size)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    assert weights[..., :start].count_nonzero() == 0
    assert weights[..., start + length :].count_nonzero() == 0


def test_linear_weights_of_a_batch_are_those_of_its_samples():
    start, length = of(0, 3, 5), of(12, 4, 1)
    together = linear_weights(start, length, size=12, out=7)
    alone = [linear_weights(start[i : i + 1], length[i : i + 1], size=12, out=7) for i in range(3)]
    assert torch.equal(together, torch.cat(alone))


def test_a_mirrored_axis_is_the_plain_one_turned_round():
    start, length = of(0, 3, 5), of(12, 4, 1)
    plain = linear_weights(start, length, size=12, out=7)
    mirror = torch.tensor([True, False, True])
    turned = linear_weights(start, length, size=12, out=7, mirror=mirror)
    expected = torch.where(mirror[:, None, None], plain.flip(1), plain)
    torch.testing.assert_close(turned, expected)


def test_a_whole_axis_at_its_own_size_is_left_alone():
    assert torch.equal(linear_weights(of(0), of(9), size=9, out=9)[0], torch.eye(9).double())


@examples
@given(
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    factor=st.floats(0.5, 2.0),
    seed=st.integers(0, 99),
)
def test_zoom_weights_are_monais_area_zoom(shape, factor, seed):
    if min(math.floor(size * factor) for size in shape) == 0:
        return  # MONAI has no empty volumes either
    volume = torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed))
    zoom = Zoom(factor, mode="area", padding_mode="edge", keep_size=True)
    weights = [zoom_weights(of(factor), size=size) for size in shape]
    expected = zoom(volume).as_tensor()
    torch.testing.assert_close(resample(volume[None], weights)[0], expected, rtol=0, atol=1e-5)


def test_zoom_keeps_an_axis_of_one_voxel():
    assert torch.equal(zoom_weights(of(0.9, 1.1), size=1), torch.ones(2, 1, 1).double())


@examples
@given(size=st.integers(1, 60), factors=st.lists(st.floats(0.5, 2), min_size=1, max_size=4))
def test_zoom_weights_sum_to_one(size, factors):
    weights = zoom_weights(of(*factors), size=size)
    assert weights.shape == (len(factors), size, size)
    assert (weights >= 0).all()
    torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))


@examples
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(1, 12)),
    angle=st.floats(-15, 15),
    seed=st.integers(0, 99),
)
def test_rotation_is_monais_about_its_first_spatial_axis(shape, angle, seed):
    volume = torch.rand(2, *shape, generator=torch.Generator().manual_seed(seed))
    turn = Rotate((angle, 0, 0), padding_mode="border", dtype=torch.float64)
    rotated = rotate(volume[None].double(), of(angle))[0]
    torch.testing.assert_close(rotated.float(), turn(volume).as_tensor(), rtol=0, atol=1e-6)


def test_rotation_mixes_rows_and_columns_but_never_depths():
    volumes = torch.zeros(1, 1, 3, 8, 8)
    volumes[:, :, 1] = torch.rand(8, 8)
    rotated = rotate(volumes, of(0.7))
    assert rotated[:, :, [0, 2]].count_nonzero() == 0
    assert not torch.allclose(rotated[:, :, 1], volumes[:, :, 1])


def test_each_volume_turns_by_its_own_angle():
    volumes = torch.rand(3, 2, 4, 9, 7)
    angles = of(0.0, 1.0, -14.2)
    together = rotate(volumes, angles)
    alone = [rotate(volumes[i : i + 1], angles[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))
    torch.testing.assert_close(together[0], volumes[0])


@pytest.mark.parametrize("size", [(5, 4), (5, 4, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shared", [False, True])
def test_resample_applies_one_matrix_an_axis_in_order(size, dtype, shared):
    x = torch.rand(2, 3, *size, dtype=dtype)
    weights = [torch.rand(1 if shared else 2, 6 + i, n) for i, n in enumerate(size)]
    paths = {2: "bip,bjq,bcpq->bcij", 3: "bip,bjq,bkr,bcpqr->bcijk"}
    expanded = [matrix.to(dtype).expand(2, -1, -1) for matrix in weights]
    result = resample(x, weights)
    torch.testing.assert_close(result, torch.einsum(paths[len(size)], *expanded, x))
    assert result.dtype == dtype
