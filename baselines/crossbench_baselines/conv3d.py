"""Full 3D convolution, inflated from the 2D kernels (I3D).

Each 2D kernel is repeated K times along the depth and divided by K, so that a volume
without change in depth is answered as its slice was (Carreira and Zisserman, "Quo Vadis,
Action Recognition?", 2017, section 2.4). Without pretrained weights there is nothing to
inflate: every layer is then drawn as an ``nn.Conv3d``, which makes this method plain 3D from
scratch.
"""

from __future__ import annotations

import math
from typing import ClassVar

from torch import nn

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines._volumetric import conv3d_like, plain_conv


class Conv3d:
    """Trains as the plain 2D convolution, and becomes its inflated Conv3d."""

    name = "conv3d"
    dims = (3,)
    metadata: ClassVar = {
        "authors": ["Joao Carreira", "Andrew Zisserman"],
        "paper": "Quo Vadis, Action Recognition?, arXiv 1705.07750, section 2.4",
    }

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The inflated Conv3d.

        Raises:
            ConversionError: If ``layer`` is no plain Conv2d, or its geometry differs
                between the axes.
        """
        conv = plain_conv(layer)
        depth = cube("kernel_size", conv.kernel_size)
        weight = conv.weight.detach()[:, :, None].repeat(1, 1, depth, 1, 1) / depth
        return conv3d_like(conv, weight, trains=conv.weight.requires_grad)

    def draw_3d(self, layer: nn.Module) -> None:
        """Kaiming normal, fan_out, ReLU, counting the output channels of one group.

        Raises:
            ConversionError: If ``layer`` is no Conv3d.
        """
        if not isinstance(layer, nn.Conv3d):
            msg = f"{type(layer).__name__} is no Conv3d, so conv3d cannot draw it"
            raise ConversionError(msg)
        fan_out = layer.out_channels // layer.groups * math.prod(layer.kernel_size)
        nn.init.normal_(layer.weight, std=math.sqrt(2 / fan_out))
