"""Conv3d with a 2D layer's geometry, repeated for the depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

from torch import nn

from crossbench.errors import ConversionError
from crossbench.methods import cube

if TYPE_CHECKING:
    from torch import Tensor

PaddingMode = Literal["zeros", "reflect", "replicate", "circular"]


class Layer2d(Protocol):
    """The geometry of a 2D layer, under the names that ``nn.Conv2d`` gives it."""

    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: str | tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    padding_mode: PaddingMode
    bias: Tensor | None
    training: bool


def plain_conv(layer: nn.Module) -> nn.Conv2d:
    """``layer`` itself, if it is the plain convolution that these methods train in 2D.

    Raises:
        ConversionError: If it is anything else.
    """
    if type(layer) is not nn.Conv2d:
        msg = f"{type(layer).__name__} is no plain Conv2d, so its weights have no 3D form here"
        raise ConversionError(msg)
    return layer


def geometry_3d(layer: Layer2d) -> dict[str, Any]:
    """The arguments of the ``nn.Conv3d`` with a 2D layer's geometry along all three axes.

    Raises:
        ConversionError: If the geometry differs between the axes.
    """
    padding = layer.padding
    return {
        "in_channels": layer.in_channels,
        "out_channels": layer.out_channels,
        "kernel_size": cube("kernel_size", layer.kernel_size),
        "stride": cube("stride", layer.stride),
        "padding": padding if isinstance(padding, str) else cube("padding", padding),
        "dilation": cube("dilation", layer.dilation),
        "groups": layer.groups,
        "padding_mode": layer.padding_mode,
    }


def conv3d_like(layer: Layer2d, weight: Tensor, *, trains: bool) -> nn.Conv3d:
    """The Conv3d with this weight, and a 2D layer's geometry and bias.

    Args:
        layer: The 2D layer; stride, padding and dilation must be the same along both axes.
        weight: (C_out, C_in / groups, K, K, K), taken over as it is.
        trains: Whether the weight requires a gradient.

    Raises:
        ConversionError: If the geometry differs between the axes.
    """
    conv = nn.Conv3d(**geometry_3d(layer), bias=False, device="meta")
    conv.weight = nn.Parameter(weight.detach(), requires_grad=trains)
    conv.bias = layer.bias
    return conv.train(layer.training)
