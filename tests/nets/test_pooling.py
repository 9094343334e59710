from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from crossbench.nets.pooling import MaxPool3d


@given(
    side=st.integers(3, 9),
    size=st.integers(1, 3),
    stride=st.integers(1, 3),
    data=st.data(),
)
def test_it_equals_torch_to_the_bit(side: int, size: int, stride: int, data: st.DataObject) -> None:
    padding = data.draw(st.integers(0, size // 2))
    x = torch.randn(2, 3, side, side + 1, side + 2, generator=torch.Generator().manual_seed(side))
    expected = nn.MaxPool3d(size, stride, padding)(x)
    assert torch.equal(MaxPool3d(size, stride, padding)(x), expected)


def test_a_gradient_is_torchs_own() -> None:
    x = torch.randn(1, 2, 6, 6, 6, requires_grad=True)
    MaxPool3d(3, 2, 1)(x).sum().backward()
    twin = x.detach().clone().requires_grad_()
    nn.MaxPool3d(3, 2, 1)(twin).sum().backward()
    assert torch.equal(x.grad, twin.grad)


@pytest.mark.parametrize(
    "options", [{"ceil_mode": True}, {"dilation": 2}, {"return_indices": True}]
)
def test_what_is_not_simple_is_left_to_torch(options: dict[str, object]) -> None:
    x = torch.randn(1, 2, 7, 7, 7)
    for mine, theirs in zip(
        MaxPool3d(2, 2, **options)(x), nn.MaxPool3d(2, 2, **options)(x), strict=True
    ):
        assert torch.equal(mine, theirs)


def test_nan_stays_visible() -> None:
    x = torch.zeros(1, 1, 4, 4, 4)
    x[0, 0, 1, 1, 1] = torch.nan
    assert torch.equal(MaxPool3d(2)(x).isnan(), nn.MaxPool3d(2)(x).isnan())
