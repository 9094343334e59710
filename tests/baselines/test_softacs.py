"""Soft ACS: against the authors' own layer, its two limits, and its temperature."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from acsconv.operators import SoftACSConv
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from crossbench.errors import ConversionError, RequestError
from crossbench.nets.build import build_model
from crossbench.nets.roles import roles_of
from crossbench.registry.method_identity import identify
from crossbench.registry.methods import load_method
from crossbench_baselines.acs import ACS
from crossbench_baselines.softacs import SoftACS, SoftACSConv3d


def soft(conv: nn.Conv2d, temp: float = 1.0) -> SoftACSConv3d:
    layer = SoftACS(temp).layer_3d(conv)
    assert isinstance(layer, SoftACSConv3d)
    return layer


@settings(max_examples=30)
@given(
    half=st.integers(0, 2),
    stride=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 7)),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    bias=st.booleans(),
)
def test_it_is_the_authors_layer_at_temperature_one(
    half: int, stride: int, channels: tuple[int, int], size: tuple[int, int, int], bias: bool
) -> None:
    theirs = SoftACSConv(*channels, 2 * half + 1, stride, half, bias=bias).double()
    conv = nn.Conv2d(*channels, 2 * half + 1, stride, half, bias=bias).double()
    conv.weight, conv.bias = theirs.weight, theirs.bias
    layer = soft(conv)
    layer.views = theirs.soft_w_core
    x = torch.randn(2, channels[0], *size, dtype=torch.float64)
    torch.testing.assert_close(layer(x), theirs(x))


@pytest.mark.parametrize("outputs", [1, 2, 3, 7, 9])
def test_cold_it_is_acs_and_hot_the_mean_over_the_views(outputs: int) -> None:
    conv = nn.Conv2d(3, outputs, 3, stride=2, padding=1)
    x = torch.randn(2, 3, 7, 8, 9)
    torch.testing.assert_close(soft(conv, 1e-3)(x), ACS().layer_3d(conv)(x))
    mean = SoftACSConv(3, outputs, 3, stride=2, padding=1, mean=True)
    mean.weight, mean.bias = conv.weight, conv.bias
    torch.testing.assert_close(soft(conv, 1e6)(x), mean(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "geometry",
    [
        {"groups": 2},
        {"dilation": 2, "padding": 2},
        {"padding": "same"},
        {"padding_mode": "circular"},
    ],
    ids=str,
)
def test_geometries_that_the_authors_layer_lacks(geometry: dict[str, Any]) -> None:
    """A volume of one slice is seen by the axial view, and by the middle lines of the others."""
    conv = nn.Conv2d(4, 4, 3, **({"padding": 1} | geometry))
    layer = soft(conv)
    nn.init.constant_(layer.views, 0.0).data[:, 0] = 1e4
    x = torch.randn(2, 4, 8, 9, 9)
    wanted = torch.stack([conv(slice_) for slice_ in x.unbind(2)], dim=2)
    torch.testing.assert_close(layer(x), wanted)


def test_it_keeps_weight_bias_mode_and_what_trains() -> None:
    conv = nn.Conv2d(3, 4, 3).double().eval()
    conv.weight.requires_grad_(False)
    layer = soft(conv)
    assert layer.weight is conv.weight
    assert layer.bias is conv.bias
    assert layer.views.dtype == torch.float64
    assert not layer.views.requires_grad
    assert not layer.training
    assert list(layer.state_dict()) == ["weight", "bias", "views"]


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.Conv3d(2, 2, 3), "Conv3d is no plain Conv2d, so its weights have no 3D form here"),
        (nn.Conv2d(2, 2, 4), "softacs has no form for the even kernel_size of Conv2d"),
        (nn.Conv2d(2, 2, 3, padding=(1, 0)), r"padding \(1, 0\) differs between the axes"),
    ],
)
def test_what_it_refuses(layer: nn.Module, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        SoftACS().layer_3d(layer)


@pytest.mark.parametrize("temp", [0, -1.0, float("inf"), float("nan"), "hot"])
def test_a_temperature_that_is_none(temp: Any) -> None:
    with pytest.raises(RequestError, match=r"softacs: temp \(=.*\) must be a number above 0, such"):
        SoftACS(temp)


def test_the_shares_learn_with_the_head_and_the_temperature_is_in_the_identity() -> None:
    network = build_model("softacs", dims=3, num_classes=2, backbone="test_resnet")
    roles = roles_of(network)
    assert set(roles.learns.values()) == {"views"}
    assert (roles.unread, roles.silent) == ({}, {})
    assert len(roles.kernels) == len(roles.learns)
    assert identify(load_method("softacs")).config["temp"] == 1.0
