"""The (2+1)D convolution: against one step a slice and one a line, and what it carries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.nets.build import build_model
from crossbench.nets.lora import add_lora
from crossbench.nets.roles import roles_of
from crossbench_baselines.factorised import Factorised, FactorisedConv3d


def slices_then_lines(conv: nn.Conv2d, across: Tensor, x: Tensor) -> Tensor:
    """The paper's definition: every slice convolved in 2D, then every line of depth in 1D."""
    depth = x.shape[2]
    flat = functional.conv2d(
        x.movedim(2, 1).flatten(0, 1),
        conv.weight, None, conv.stride, conv.padding, conv.dilation, conv.groups,
    ).unflatten(0, (-1, depth))  # fmt: skip
    lines = flat.permute(0, 3, 4, 2, 1)  # (B, H', W', C, D)
    step, pad, apart = conv.stride[0], conv.padding[0], conv.dilation[0]
    answered = functional.conv1d(
        lines.flatten(0, 2), across, conv.bias, step, pad, apart, conv.groups
    )
    return answered.unflatten(0, lines.shape[:3]).permute(0, 3, 4, 1, 2)


@settings(max_examples=30)
@given(
    kernel=st.integers(2, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]),
    bias=st.booleans(),
)
def test_it_is_a_2d_convolution_a_slice_and_a_1d_convolution_a_line(
    kernel: int, stride: int, padding: int, dilation: int, groups: int, bias: bool
) -> None:
    conv = nn.Conv2d(4, 6, kernel, stride, padding, dilation, groups, bias).double()
    layer = Factorised().layer_3d(conv)
    assert isinstance(layer, FactorisedConv3d)
    nn.init.normal_(layer.across.weight)
    x = torch.randn(2, 4, 9, 10, 11, dtype=torch.float64)
    across = layer.across.weight.detach()[..., 0, 0]
    torch.testing.assert_close(layer(x), slices_then_lines(conv, across, x))
    assert (
        layer(x).shape
        == nn.Conv3d(4, 6, kernel, stride, padding, dilation, groups)(x.float()).shape
    )


@pytest.mark.parametrize(
    "geometry", [{}, {"stride": 2}, {"groups": 2}, {"dilation": 2, "padding": 2}]
)
def test_a_volume_without_change_in_depth_is_answered_as_its_slice(
    geometry: dict[str, Any],
) -> None:
    """Everywhere where depth goes round in a circle, and with zeros away from the ends."""
    conv = nn.Conv2d(4, 6, 3, **({"padding": 1} | geometry)).double()
    x = torch.randn(1, 4, 10, 10, dtype=torch.float64)
    volume = x[:, :, None].expand(-1, -1, 10, -1, -1)
    wanted, found = conv(x), Factorised().layer_3d(conv)(volume)
    ends = conv.dilation[0]
    for slice_ in found.unbind(2)[ends : found.shape[2] - ends]:
        torch.testing.assert_close(slice_, wanted)
    assert not torch.allclose(found[:, :, 0], wanted)
    conv.padding_mode = "circular"
    for slice_ in Factorised().layer_3d(conv)(volume).unbind(2):
        torch.testing.assert_close(slice_, conv(x))


def test_a_single_pixel_becomes_a_single_voxel() -> None:
    conv = nn.Conv2d(3, 4, 1, stride=2)
    layer = Factorised().layer_3d(conv)
    assert type(layer) is nn.Conv3d
    x = torch.randn(1, 3, 5, 5, 5)
    torch.testing.assert_close(layer(x)[:, :, 1], conv(x[:, :, 2]))


def test_it_keeps_bias_dtype_mode_padding_by_name_and_what_trains() -> None:
    conv = nn.Conv2d(3, 4, 3, padding="same").double().eval()
    conv.requires_grad_(False)
    layer = Factorised().layer_3d(conv)
    assert isinstance(layer, FactorisedConv3d)
    assert layer.across.bias is conv.bias
    assert not layer.within.training
    assert not any(parameter.requires_grad for parameter in layer.parameters())
    assert layer(torch.randn(1, 3, 4, 5, 6, dtype=torch.float64)).shape == (1, 4, 4, 5, 6)


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (nn.Linear(2, 2), "Linear is no plain Conv2d, so its weights have no 3D form here"),
        (nn.Conv2d(2, 2, (1, 7)), r"kernel_size \(1, 7\) differs between the axes"),
        (nn.Conv2d(2, 2, 3, stride=(1, 2)), r"stride \(1, 2\) differs between the axes"),
    ],
)
def test_what_it_refuses(layer: nn.Module, message: str) -> None:
    with pytest.raises(ConversionError, match=message):
        Factorised().layer_3d(layer)


def test_both_kernels_are_adapted_and_nothing_is_left_silent() -> None:
    network = build_model("factorised", dims=3, num_classes=2, backbone="test_resnet")
    roles = roles_of(network)
    assert (roles.unread, roles.silent) == ({}, {})
    adapted = add_lora(network, rank=1, alpha=1.0)
    assert {"layer1.0.conv1.within.weight", "layer1.0.conv1.across.weight"} <= set(adapted)
