"""Cross-D Conv as a function: the equations of the paper, its gradients and its space."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from crossbench_baselines import crossd_functional
from crossbench_baselines.crossd_divided import Geometry
from crossbench_baselines.crossd_functional import axis_shifts, cross_d_conv2d, shifted_kernels

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded() -> None:
    torch.manual_seed(0)


def fourier_kernels(weights: Tensor, axis: Tensor, angle: Tensor) -> Tensor:
    """The paper's equations as they are written, for one sample, in complex arithmetic."""
    size = weights.shape[-1]
    kx, ky, kz = axis.tolist()
    zero = 0.0
    skew = torch.tensor([[zero, -kz, ky], [kz, zero, -kx], [-ky, kx, zero]], dtype=weights.dtype)
    rotation = torch.eye(3, dtype=weights.dtype) + angle * skew
    one = torch.fft.fftfreq(size, dtype=weights.dtype)
    grid = torch.stack(torch.meshgrid(one, one, one, indexing="ij")).flatten(1)
    phase = (rotation @ grid).sum(0).reshape(size, size, size)
    spectrum = torch.fft.fftn(weights, dim=(-3, -2, -1))
    turned = torch.fft.ifftn(spectrum * torch.exp(-2j * torch.pi * phase), dim=(-3, -2, -1))
    return turned.real[:, :, size // 2]


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 7), seed=st.integers(0, 2**32 - 1))
def test_kernels_equal_the_equations(size: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(2, 3, size, size, size, generator=random, dtype=torch.float64)
    axis = torch.randn(4, 3, generator=random, dtype=torch.float64)
    angle = torch.randn(4, 1, generator=random, dtype=torch.float64)
    kernels = shifted_kernels(weights, axis_shifts(axis, angle))
    wanted = torch.stack(
        [fourier_kernels(weights, k, theta) for k, theta in zip(axis, angle, strict=True)]
    )
    torch.testing.assert_close(kernels, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_no_rotation_is_a_shift_by_one_voxel(size: int) -> None:
    weights = torch.randn(2, 3, size, size, size, dtype=torch.float64)
    kernels = shifted_kernels(weights, torch.ones(1, 3, dtype=torch.float64))
    wanted = weights.roll((1, 1, 1), dims=(2, 3, 4))[:, :, size // 2]
    torch.testing.assert_close(kernels[0], wanted)


def test_shifts_sum_to_three_and_the_diagonal_axis_has_no_effect() -> None:
    axis, angle = torch.randn(5, 3), torch.randn(5, 1)
    torch.testing.assert_close(axis_shifts(axis, angle).sum(1), torch.full((5,), 3.0))
    diagonal = torch.full((5, 3), 3**-0.5)
    torch.testing.assert_close(axis_shifts(diagonal, angle), torch.ones(5, 3))


@pytest.mark.parametrize("space", ["kernel", "input"])
@pytest.mark.parametrize("size", [2, 3])
def test_gradients_of_the_functional_form(
    size: int, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossd_functional, "_side", lambda *_: space)
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 1, size, size, size, dtype=torch.float64, requires_grad=True)
    shifts = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    inputs = (x, weights, shifts, bias)
    assert torch.autograd.gradcheck(
        lambda *t: cross_d_conv2d(*t, 1, 1, 1, 2), inputs, fast_mode=True
    )


def test_second_gradients_of_the_functional_form() -> None:
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    shifts = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def forward(*given: Tensor) -> Tensor:
        return cross_d_conv2d(*given, None, 1, 1, 1, 2, keep_kernels=False)

    assert torch.autograd.gradgradcheck(forward, (x, weights, shifts), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_kernels_made_anew_give_the_gradients_of_kernels_kept(dtype: torch.dtype) -> None:
    x = torch.randn(3, 4, 6, 6)
    given = (x, torch.randn(8, 2, 3, 3, 3), torch.randn(3, 3), torch.randn(8))
    inputs = [tensor.requires_grad_() for tensor in given]

    def gradients(keep_kernels: bool) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            y = cross_d_conv2d(*inputs, 1, 1, 1, 2, keep_kernels=keep_kernels)
        assert y.dtype == dtype
        return torch.autograd.grad(y.float().square().sum(), inputs)

    torch.testing.assert_close(gradients(False), gradients(True), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("batch", "outputs", "inputs", "side", "space"),
    [  # of ResNet-18's 3x3 layers at 224 pixels, then at 64, 128, 32 and 28, and one sample
        (8, 64, 64, 56, "kernel"),
        (8, 128, 128, 28, "kernel"),
        (8, 256, 256, 14, "divided"),
        (8, 512, 512, 7, "divided"),
        (8, 128, 128, 8, "divided"),
        (8, 128, 128, 16, "kernel"),
        (8, 64, 64, 8, "kernel"),
        (8, 64, 64, 7, "divided"),
        (8, 256, 256, 4, "input"),
        (8, 512, 512, 2, "input"),
        (1, 512, 512, 7, "input"),
    ],
)
def test_where_the_shift_goes(batch: int, outputs: int, inputs: int, side: int, space: str) -> None:
    x, weights = torch.empty(batch, inputs, side, side), torch.empty(outputs, inputs, 3, 3, 3)
    geometry = Geometry((1, 1), (1, 1), (1, 1), 1, (side, side))
    assert crossd_functional._side(x, weights, geometry) == space


def test_a_shift_is_divided_in_full_precision_and_for_odd_kernels_alone() -> None:
    geometry = Geometry((1, 1), (1, 1), (1, 1), 1, (14, 14))
    x, weights = torch.empty(8, 256, 14, 14), torch.empty(256, 256, 3, 3, 3)
    side = crossd_functional._side
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert side(x, weights, geometry) == "kernel"
    assert side(x.bfloat16(), weights.bfloat16(), geometry) == "kernel"
    assert side(x.double(), weights.double(), geometry) == "divided"
    assert side(x, torch.empty(256, 256, 4, 4, 4), geometry) == "kernel"


def test_rolled_kernel_is_the_transfer_without_the_voxel_off() -> None:
    """Without rotation, and on volumes constant in depth, roll(U) summed in depth is W + rest."""
    weights = torch.randn(2, 2, 3, 3, 3, dtype=torch.float64)
    kernel = shifted_kernels(weights, torch.ones(1, 3, dtype=torch.float64))[0]
    rolled = weights.roll((1, 1, 1), dims=(2, 3, 4))
    flat = torch.randn(1, 2, 1, 6, 6, dtype=torch.float64)
    slab = functional.conv3d(flat, rolled, padding=1)
    torch.testing.assert_close(slab[:, :, 0], functional.conv2d(flat[:, :, 0], kernel, padding=1))
    others = itertools.product(range(-1, 2), repeat=3)
    assert not any(
        torch.allclose(weights.roll(shift, dims=(2, 3, 4)), rolled)
        for shift in others
        if shift != (1, 1, 1)
    )
