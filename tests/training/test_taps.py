from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from crossbench.training.taps import cut_kernel

CONVOLUTIONS = {2: functional.conv2d, 3: functional.conv3d}


@pytest.mark.parametrize(
    ("size", "stride", "kept", "padding"),
    [
        (1, 1, slice(1, 2), 0),  # the last stage of a ResNet at 32
        (1, 2, slice(1, 2), 0),
        (2, 2, slice(1, 3), 0),  # the layer that leads to it
        (2, 1, slice(0, 3), 1),
        (5, 2, slice(0, 3), 1),
    ],
)
def test_taps_that_meet_padding_alone_are_left_out(
    size: int, stride: int, kept: slice, padding: int
) -> None:
    weight = torch.arange(27.0).reshape(1, 1, 3, 3, 3)
    cut, rims = cut_kernel(torch.zeros(1, 1, *[size] * 3), weight, [stride] * 3, [1] * 3, [1] * 3)
    assert torch.equal(cut, weight[:, :, kept, kept, kept])
    assert rims == (padding,) * 3


def test_a_cut_kernel_is_a_view_so_that_the_others_get_no_gradient() -> None:
    weight = torch.ones(1, 1, 3, 3, requires_grad=True)
    cut, rims = cut_kernel(torch.ones(1, 1, 1, 4), weight, [1, 1], [1, 1], [1, 1])
    assert (cut.shape, rims) == ((1, 1, 1, 3), (0, 1))
    (gradient,) = torch.autograd.grad(cut.sum(), weight)
    assert gradient.tolist() == [[[[0, 0, 0], [1, 1, 1], [0, 0, 0]]]]


@settings(deadline=None, max_examples=150)
@given(data=st.data(), dims=st.sampled_from([2, 3]), groups=st.integers(1, 2))
def test_the_convolution_stays_the_same(data: st.DataObject, dims: int, groups: int) -> None:
    def each(low: int, high: int) -> list[int]:
        return data.draw(st.lists(st.integers(low, high), min_size=dims, max_size=dims))

    size, kernel = each(1, 5), each(1, 5)
    stride, padding, dilation = each(1, 3), each(0, 4), each(1, 3)
    shapes = zip(size, padding, dilation, kernel, strict=True)
    if any(n + 2 * p < d * (k - 1) + 1 for n, p, d, k in shapes):
        return  # no output: torch refuses it
    torch.manual_seed(0)
    x = torch.randn(2, 2 * groups, *size, dtype=torch.float64)
    weight = torch.randn(2 * groups, 2, *kernel, dtype=torch.float64)
    cut, rims = cut_kernel(x, weight, stride, padding, dilation)
    convolve = CONVOLUTIONS[dims]
    ours = convolve(x, cut, None, stride, rims, dilation, groups)
    theirs = convolve(x, weight, None, stride, padding, dilation, groups)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
