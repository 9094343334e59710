"""The baselines whose 2D layer is the plain convolution: conv2d, conv3d and acs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
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
    """ACS from its definition: every slice along an axis, convolved in that slice's plane."""
    third, rest = divmod(conv.out_channels, 3)
    parts = conv.weight.split([third + (rest > 0), third + (rest > 1), third])
    outputs = []
    for axis, part in enumerate(parts):
        if not len(part):
            continue
        slices = x.movedim(2 + axis, 1)[:, :: conv.stride[0]]
        flat = functional.conv2d(slices.flatten(0, 1), part, None, conv.stride, conv.padding)
        outputs.append(flat.unflatten(0, slices.shape[:2]).movedim(1, 2 + axis))
    y = torch.cat(outputs, dim=1)
    return y if conv.bias is None else y + conv.bias[:, None, None, None]


@settings(max_examples=40, deadline=None)
@given(
    half=st.integers(0, 2),
    stride=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 3), st.integers(1, 7)),
    size=st.tuples(*[st.integers(1, 9)] * 3),
    bias=st.booleans(),
)
def test_acs_is_the_2d_kernels_in_three_planes(
    half: int, stride: int, channels: tuple[int, int], size: tuple[int, int, int], bias: bool
) -> None:
    conv = nn.Conv2d(*channels, 2 * half + 1, stride, half, bias=bias).double()
    x = torch.randn(2, channels[0], *size, dtype=torch.float64)
    torch.testing.assert_close(ACS().layer_3d(conv)(x), planes(conv, x))


@pytest.mark.parametrize(
    ("geometry", "complaint"),
    [
        ({"kernel_size": 4, "padding": 2}, "the even kernel_size 4 of Conv2d"),
        ({"kernel_size": 3, "padding": 2, "dilation": 2}, r"the dilation \(2, 2\) of Conv2d"),
        ({"kernel_size": 3, "padding": 1, "groups": 4}, "the groups=4 of Conv2d"),
        ({"kernel_size": 3, "padding": 1, "padding_mode": "reflect"}, "padding_mode 'reflect'"),
        ({"kernel_size": 3}, r"the padding \(0, 0\), which is not half the kernel"),
        ({"kernel_size": 3, "padding": "valid"}, "the padding 'valid', which is not half"),
        ({"kernel_size": 3, "padding": 1, "stride": (1, 2)}, r"stride \(1, 2\) differs"),
    ],
    ids=str,
)
def test_acs_refuses_what_acsconv_gets_wrong(geometry: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConversionError, match=complaint):
        ACS().layer_3d(nn.Conv2d(4, 4, **geometry))


@pytest.mark.parametrize(("kernel", "padding"), [(3, "same"), (1, "valid")])
def test_acs_takes_padding_by_name_where_it_is_half_the_kernel(kernel: int, padding: str) -> None:
    conv = nn.Conv2d(2, 3, kernel, padding=padding)
    x = torch.randn(1, 2, 5, 5, 5)
    assert ACS().layer_3d(conv)(x).shape == (1, 3, 5, 5, 5)
