"""The baselines whose 2D layer is the plain convolution: conv2d, conv3d and acs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from acsconv.operators import ACSConv
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.methods import Convolution
from crossbench.registry.methods import load_method
from crossbench_baselines.acs import ACS
from crossbench_baselines.conv2d import Conv2d
from crossbench_baselines.conv3d import Conv3d

DIMS = {"conv2d": (2,), "acs": (3,), "conv3d": (3,), "crossd": (2, 3)}


@pytest.mark.parametrize("name", DIMS)
def test_methods_come_in_by_their_entry_points(name: str) -> None:
    method = load_method(name)
    assert isinstance(method, Convolution)
    assert method.name == name
    assert method.dims == DIMS[name]


@pytest.mark.parametrize("method", [Conv2d(), Conv3d(), ACS()], ids=lambda m: m.name)
def test_2d_layer_is_the_convolution_itself(method: Convolution) -> None:
    conv = nn.Conv2d(3, 4, (1, 7), dilation=2)
    assert method.layer_2d(conv) is conv


def test_conv2d_has_no_3d_form() -> None:
    with pytest.raises(ConversionError, match="conv2d has no 3D form for Conv2d; use conv3d"):
        Conv2d().layer_3d(nn.Conv2d(3, 4, 3))


def test_conv3d_draws_no_layer_of_another_kind() -> None:
    with pytest.raises(ConversionError, match="Linear is no Conv3d, so conv3d cannot draw it"):
        Conv3d().draw_3d(nn.Linear(3, 4))


@pytest.mark.parametrize("method", [Conv3d(), ACS()], ids=lambda m: m.name)
def test_3d_layer_keeps_bias_dtype_mode_and_what_trains(method: Convolution) -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1).double().eval()
    conv.weight.requires_grad_(False)
    layer = method.layer_3d(conv)
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)
    assert weight.dtype == torch.float64
    assert not weight.requires_grad
    assert layer.bias is conv.bias
    assert not layer.training


@pytest.mark.parametrize("method", [Conv3d(), ACS()], ids=lambda m: m.name)
def test_3d_layer_refuses_other_modules(method: Convolution) -> None:
    with pytest.raises(ConversionError, match="ConvTranspose2d is no plain Conv2d"):
        method.layer_3d(nn.ConvTranspose2d(3, 4, 3))
    with pytest.raises(ConversionError, match=r"kernel_size \(1, 7\) differs between the axes"):
        method.layer_3d(nn.Conv2d(3, 4, (1, 7)))


# ------------------------------------------------------------------------------------ conv3d


@pytest.mark.parametrize(
    "geometry",
    [
        {"kernel_size": 1, "stride": 2},
        {"kernel_size": 3, "padding": 2, "dilation": 2},
        {"kernel_size": 4, "padding": "valid", "groups": 2},
        {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
        {"kernel_size": 5, "padding": "same"},
    ],
    ids=str,
)
def test_inflated_kernel_answers_a_volume_without_depth_as_its_slice(
    geometry: dict[str, Any],
) -> None:
    conv = nn.Conv2d(4, 6, **geometry).double()
    inflated = Conv3d().layer_3d(conv)
    flat = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    y = inflated(flat[:, :, None].expand(-1, -1, 9, -1, -1))
    middle = y[:, :, y.shape[2] // 2]
    torch.testing.assert_close(middle, conv(flat))


# --------------------------------------------------------------------------------------- acs


def planes(conv: nn.Conv2d, x: Tensor) -> Tensor:
    """ACS from its definition: cubic kernels, in whose middle planes the 2D kernels lie."""
    side = conv.kernel_size[0]
    kernels = conv.weight.new_zeros(*conv.weight.shape[:2], side, side, side)
    for view, channels in enumerate(torch.arange(conv.out_channels).tensor_split(3)):
        middle = kernels.select(2 + view, side // 2)
        middle[channels] = conv.weight.detach()[channels]
    geometry = (conv.stride[0], conv.padding[0], conv.dilation[0], conv.groups)
    return functional.conv3d(x, kernels, conv.bias, *geometry)


@settings(max_examples=60, deadline=None)
@given(
    half=st.integers(0, 2),
    stride=st.integers(1, 3),
    dilation=st.integers(1, 2),
    spare=st.integers(-2, 1),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 7)),
    depthwise=st.booleans(),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    bias=st.booleans(),
)
def test_acs_is_the_2d_kernels_in_three_planes(
    half: int,
    stride: int,
    dilation: int,
    spare: int,
    channels: tuple[int, int],
    depthwise: bool,
    size: tuple[int, int, int],
    bias: bool,
) -> None:
    inputs, outputs = (channels[1], channels[1]) if depthwise else channels
    padding = max(half * dilation + spare, 0)
    assume(min(size) + 2 * padding > 2 * half * dilation)
    groups = inputs if depthwise else 1
    geometry: Any = (2 * half + 1, stride, padding, dilation, groups, bias)
    conv = nn.Conv2d(inputs, outputs, *geometry).double()
    x = torch.randn(2, inputs, *size, dtype=torch.float64)
    torch.testing.assert_close(ACS().layer_3d(conv)(x), planes(conv, x))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 7])
def test_acs_is_the_authors_where_theirs_is_right(kernel: int, stride: int) -> None:
    conv = nn.Conv2d(3, 8, kernel, stride, kernel // 2)
    theirs = ACSConv(3, 8, kernel, stride=stride, padding=kernel // 2)
    theirs.load_state_dict(conv.state_dict())
    x = torch.randn(2, 3, 9, 10, 11)
    torch.testing.assert_close(ACS().layer_3d(conv)(x), theirs(x))


def test_depthwise_groups_of_several_channels() -> None:
    conv = nn.Conv2d(6, 12, 3, 2, 1, groups=3).double()
    x = torch.randn(2, 6, 7, 8, 9, dtype=torch.float64)
    torch.testing.assert_close(ACS().layer_3d(conv)(x), planes(conv, x))


@pytest.mark.parametrize(
    ("geometry", "complaint"),
    [
        ({"kernel_size": 4, "padding": 2}, "the even kernel_size 4 of Conv2d"),
        ({"kernel_size": 3, "padding": 1, "groups": 2}, "the groups=2, which a view would get a"),
        ({"kernel_size": 3, "padding": 1, "padding_mode": "reflect"}, "padding_mode 'reflect'"),
        ({"kernel_size": 3, "padding": 1, "stride": (1, 2)}, r"stride \(1, 2\) differs"),
    ],
    ids=str,
)
def test_acs_refuses_what_has_no_form(geometry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        ACS().layer_3d(nn.Conv2d(4, 4, **geometry))


@pytest.mark.parametrize(("kernel", "padding", "side"), [(3, "same", 5), (3, "valid", 3)])
def test_acs_takes_padding_by_name(kernel: int, padding: str, side: int) -> None:
    conv = nn.Conv2d(2, 3, kernel, padding=padding)
    x = torch.randn(1, 2, 5, 5, 5)
    assert ACS().layer_3d(conv)(x).shape == (1, 3, side, side, side)
