"""The plain convolution, in 2D and in 3D, that others are measured against."""

from __future__ import annotations

from typing import cast

from torch import nn

from crossbench.methods import cube

#: What ratios refer to, by dimension: the backbone's own layers, or their full 3D form.
PLAIN_LAYERS = {2: "nn.Conv2d", 3: "nn.Conv3d"}


class PlainConvolution:
    """The backbone as it is; in 3D, ``nn.Conv3d`` of the same geometry, drawn afresh."""

    dims: tuple[int, ...] = (2, 3)

    def __init__(self, name: str) -> None:
        self.name = name

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """A Conv3d whose kernel is a cube.

        Raises:
            ConversionError: If the geometry of ``layer`` differs between the axes.
        """
        conv = cast("nn.Conv2d", layer)
        return nn.Conv3d(
            conv.in_channels,
            conv.out_channels,
            cube("kernel_size", conv.kernel_size),
            stride=cube("stride", conv.stride),
            padding=cube("padding", cast("tuple[int, ...]", conv.padding)),
            dilation=cube("dilation", conv.dilation),
            groups=conv.groups,
            bias=conv.bias is not None,
        )
