"""Padding that depends on the input, in 2D and carried to 3D."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from timm.layers.conv2d_same import Conv2dSame
from torch import nn

from crossbench.errors import ConversionError
from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.build import build_model
from crossbench.nets.convert import make_3d
from crossbench.nets.padding import padding_of, put_before, without_padding
from crossbench.registry.methods import load_method

LITE = "tf_efficientnet_lite0"

conv_same = st.builds(
    lambda kernel, stride, dilation, depthwise: Conv2dSame(
        6, 6, kernel, stride, dilation=dilation, groups=6 if depthwise else 1
    ).double(),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 3),
    st.integers(1, 2),
    st.booleans(),
)


def layers(conv: nn.Conv2d, method: str) -> tuple[nn.Module, nn.Module]:
    """A method's 2D layer in the place of a convolution, and its 3D layer."""
    plain, padding = without_padding(conv)
    flat = put_before(plain, padding)
    return flat, put_before(load_method(method).layer_3d(flat), padding_of(flat))


@settings(max_examples=40, deadline=None)
@given(conv=conv_same, sides=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_in_2d_it_is_timms_layer(conv: Conv2dSame, sides: tuple[int, int]) -> None:
    x = torch.randn(2, 6, *sides, dtype=torch.float64)
    flat, _ = layers(conv, "conv3d")
    torch.testing.assert_close(flat(x), conv(x))
    assert flat.state_dict().keys() == conv.state_dict().keys()


@settings(max_examples=30, deadline=None)
@given(conv=conv_same, sides=st.tuples(st.integers(1, 12), st.integers(1, 12)))
def test_a_volume_without_change_in_depth_is_answered_as_its_slice(
    conv: Conv2dSame, sides: tuple[int, int]
) -> None:
    """With inflated kernels, away from the first and last slices."""
    x = torch.randn(2, 6, *sides, dtype=torch.float64)
    _, volumetric = layers(conv, "conv3d")
    y = volumetric(x[:, :, None].expand(-1, -1, 31, -1, -1))
    torch.testing.assert_close(y[:, :, y.shape[2] // 2], conv(x))


@pytest.mark.parametrize("method", ["acs", "conv3d", "softacs", "factorised"])
@settings(max_examples=10, deadline=None)
@given(conv=conv_same, sides=st.tuples(*[st.integers(1, 9)] * 3))
def test_every_axis_is_padded_by_its_own_size(
    method: str, conv: Conv2dSame, sides: tuple[int, int, int]
) -> None:
    _, volumetric = layers(conv, method)
    y = volumetric(torch.randn(1, 6, *sides, dtype=torch.float64))
    assert y.shape[2:] == tuple(-(-side // conv.stride[0]) for side in sides)


def test_acs_looks_along_each_plane_as_the_2d_layer_does() -> None:
    """Depthwise, K = 5, stride 2: each view of an odd and of an even volume."""
    for size in ((9, 9, 9), (8, 8, 8), (7, 8, 9)):
        conv = Conv2dSame(6, 6, 5, 2, groups=6, bias=False).double()
        _, volumetric = layers(conv, "acs")
        x = torch.randn(1, 6, *size, dtype=torch.float64)
        y = volumetric(x)
        for view in range(3):  # the middle tap of output i stands on input 2 i + 2 - zeros before
            before = max((-(-size[view] // 2) - 1) * 2 + 5 - size[view], 0) // 2
            seen = torch.arange(y.shape[2 + view]) * 2 + 2 - before
            for place, source in enumerate(seen.tolist()):
                channels = slice(2 * view, 2 * view + 2)
                plane = conv(x.select(2 + view, source))[:, channels]
                torch.testing.assert_close(y[:, channels].select(2 + view, place), plane)


def test_a_padding_of_unlike_axes_is_refused() -> None:
    with pytest.raises(ConversionError, match=r"kernel_size \(1, 3\) differs between the axes"):
        without_padding(Conv2dSame(3, 3, (1, 3)))


def test_whole_networks() -> None:
    """In 2D the network is timm's; a copy and the 3D network keep the padding."""
    plain = create_backbone(LITE, 5).eval()
    x = torch.randn(1, 3, 45, 64)
    before = plain(x)
    layers = replace_convolutions(plain, load_method("conv3d"))
    assert not any(isinstance(module, Conv2dSame) for module in plain.modules())
    torch.testing.assert_close(copy.deepcopy(plain)(x), before)
    make_3d(plain, load_method("conv3d"), layers)
    assert sum(padding_of(module) is not None for module in plain.modules()) == 5


@pytest.mark.parametrize("method", ["acs", "conv3d", "slices-2d", "softacs", "factorised"])
def test_volumes(method: str) -> None:
    network = build_model(method, dims=3, num_classes=2, backbone=LITE).eval()
    assert network(torch.randn(1, 3, 33, 32, 35)).shape == (1, 2)
