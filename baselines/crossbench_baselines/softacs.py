"""Soft ACS convolution: each 2D kernel lies in all three planes, by shares that learn.

The soft variant in the code of Yang et al., "Reinventing 2D convolutions for 3D images", 2021
(``SoftACSConv`` of the package ``acsconv``): where ACS gives each output channel to one of the
axial, coronal and sagittal views, here a channel is a weighted sum over the three, its weights the
softmax of three learnt numbers. Two things are ours: the softmax has a temperature, and the numbers
start at ACS's own assignment, where the authors draw them from [0, 1). So a small temperature is
ACS, and a large one the mean over the views.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn

from crossbench.errors import ConversionError, RequestError
from crossbench.methods import cube
from crossbench_baselines._volumetric import geometry_3d, plain_conv

if TYPE_CHECKING:
    from torch import Tensor


class SoftACS:
    """Trains as the plain 2D convolution, and becomes a :class:`SoftACSConv3d`.

    Args:
        temp: Temperature of the softmax over the views, above 0.

    Raises:
        RequestError: If the temperature is no positive number.
    """

    name = "softacs"
    dims = (3,)
    learns = ("views",)
    metadata: ClassVar = {"paper": "arXiv:1911.10477", "url": "https://github.com/M3DV/ACSConv"}

    def __init__(self, temp: float = 1.0) -> None:
        if not isinstance(temp, int | float) or not 0 < temp < math.inf:
            raise RequestError(f"softacs: temp (={temp!r}) must be a number above 0, such as 0.5")
        self.temp = float(temp)

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The soft ACS convolution with the same weight and bias.

        Raises:
            ConversionError: If ``layer`` is no plain Conv2d, its kernel has no middle, or its
                geometry differs between the axes.
        """
        conv = plain_conv(layer)
        if cube("kernel_size", conv.kernel_size) % 2 == 0:
            msg = f"softacs has no form for the even kernel_size of {conv}: it has no middle plane"
            raise ConversionError(msg)
        return SoftACSConv3d(conv, self.temp)


class SoftACSConv3d(nn.Conv3d):
    """A Conv3d whose kernels are made of 2D kernels in the middle planes of the three views.

    Attributes:
        weight: (C_out, C_in / groups, K, K), the 2D kernels.
        views: (C_out, 3), each channel's leaning to the axial, coronal and sagittal view.
        temp: Temperature of their softmax.
    """

    def __init__(self, conv: nn.Conv2d, temp: float) -> None:
        super().__init__(**geometry_3d(conv), bias=False, device="meta")
        self.weight, self.bias, self.temp = conv.weight, conv.bias, temp
        self.views = nn.Parameter(_acs_views(conv), requires_grad=conv.weight.requires_grad)
        self.train(conv.training)

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (B, C_in, D, H, W) to (B, C_out, D', H', W')."""
        answers: Tensor = self._conv_forward(volumes, self.kernel(), self.bias)
        return answers

    def kernel(self) -> Tensor:
        """(C_out, C_in / groups, K, K, K), zero outside the three middle planes."""
        shares = (self.views / self.temp).softmax(dim=1)
        side = self.kernel_size[0]
        kernel = self.weight.new_zeros(*self.weight.shape, side)
        for view, share in enumerate(shares.unbind(dim=1)):
            plane = kernel.select(2 + view, side // 2)
            plane += share[:, None, None, None] * self.weight
        return kernel


def _acs_views(conv: nn.Conv2d) -> Tensor:
    """(C_out, 3), one where ACS cuts the channels into three parts, as equal as they can be."""
    thirds = [len(part) for part in torch.arange(conv.out_channels).tensor_split(3)]
    views = torch.arange(3).repeat_interleave(torch.tensor(thirds))
    return nn.functional.one_hot(views, 3).to(conv.weight)
