"""Factorised (2+1)D convolution: the 2D kernels within slices, then a 1D one along the depth.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", 2018, whose
R(2+1)D factorises a K x K x K convolution into 1 x K x K and K x 1 x 1. The first carries the 2D
kernels. The second starts as the mean over K slices, so that a volume without change in depth is
answered as its slice was, but for zeros that are padded before and behind it. Two things differ
from the paper, so that the layer stands for one convolution: nothing comes between the two, where
the paper has BatchNorm and ReLU, and the channels between them are the output channels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import nn

from crossbench.methods import cube
from crossbench_baselines._volumetric import conv3d_like, plain_conv

if TYPE_CHECKING:
    from torch import Tensor

_PLANE, _DEPTH = (False, True, True), (True, False, False)


class Factorised:
    """Trains as the plain 2D convolution, and becomes a :class:`FactorisedConv3d`."""

    name = "factorised"
    dims = (3,)
    metadata: ClassVar = {"paper": "arXiv:1711.11248"}

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The two convolutions; where the kernel is a single pixel, a Conv3d of a single voxel.

        Raises:
            ConversionError: If ``layer`` is no plain Conv2d, or its geometry differs
                between the axes.
        """
        conv = plain_conv(layer)
        if cube("kernel_size", conv.kernel_size) == 1:
            return conv3d_like(conv, conv.weight[:, :, None], trains=conv.weight.requires_grad)
        return FactorisedConv3d(conv)


class FactorisedConv3d(nn.Module):
    """A convolution within each slice, and one along the depth.

    Attributes:
        within: 1 x K x K, with the 2D kernels.
        across: K x 1 x 1, from output channels to output channels of the same group, and the bias.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        outputs = conv.out_channels
        self.within = nn.Conv3d(conv.in_channels, outputs, bias=False, **_along(_PLANE, conv))
        self.across = nn.Conv3d(outputs, outputs, bias=False, **_along(_DEPTH, conv))
        self.across.bias = conv.bias
        self.requires_grad_(conv.weight.requires_grad).train(conv.training)
        with torch.no_grad():
            self.within.weight.copy_(conv.weight.unsqueeze(2))
            nn.init.dirac_(self.across.weight, conv.groups)
            self.across.weight.copy_(self.across.weight.mean(dim=2, keepdim=True))

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (B, C_in, D, H, W) to (B, C_out, D', H', W')."""
        answers: Tensor = self.across(self.within(volumes))
        return answers


def _along(axes: tuple[bool, bool, bool], conv: nn.Conv2d) -> dict[str, Any]:
    """The arguments of a Conv3d that has a 2D convolution's geometry along some of its axes."""

    def spread(argument: str, otherwise: int) -> tuple[int, ...]:
        value = cube(argument, getattr(conv, argument))
        return tuple(value if axis else otherwise for axis in axes)

    return {
        "kernel_size": spread("kernel_size", 1),
        "stride": spread("stride", 1),
        "padding": conv.padding if isinstance(conv.padding, str) else spread("padding", 0),
        "dilation": spread("dilation", 1),
        "groups": conv.groups,
        "padding_mode": conv.padding_mode,
        "device": conv.weight.device,
        "dtype": conv.weight.dtype,
    }
