"""Inflated ResNet (I3ResNet): full 3D convolution, with a stem of three slices.

The 2D kernel stands in the middle slice, so that the network starts slice by slice (Girdhar et
al., "Detect-and-Track", 2018); kernels wider than three pixels, those of the stem, reach three
slices and keep the depth. On ResNet-152 this is the image encoder of Merlin and Astra, foundation
models of CT, whose weights it takes: `--backbone resnet152 --init astra`. Random weights are drawn
as for `conv3d`.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import nn

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines._volumetric import geometry_3d, plain_conv
from crossbench_baselines.conv3d import Conv3d

_REACH = 3  # slices


class I3ResNet(Conv3d):
    """Trains as the plain 2D convolution, and becomes a Conv3d of at most three slices."""

    name = "i3resnet"
    own_depth = True
    metadata: ClassVar = {
        "authors": ["Yana Hasson", "Louis Blankemeier and others (Merlin)"],
        "paper": "Merlin: A Vision Language Foundation Model for 3D CT, arXiv 2406.06512",
        "url": "https://github.com/hassony2/inflated_convnets_pytorch",
    }

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The Conv3d whose middle slice is the 2D kernel.

        Raises:
            ConversionError: If ``layer`` is no plain Conv2d, its geometry differs between the
                axes, or its kernel has an even side, which no slice is the middle of.
        """
        conv = plain_conv(layer)
        geometry = geometry_3d(conv)
        side = geometry["kernel_size"]
        if side % 2 == 0:
            raise ConversionError(f"kernel_size {side} is even, so no slice is its middle one")
        if side > _REACH:
            step = cube("stride", conv.stride)
            geometry |= {"kernel_size": (_REACH, side, side), "stride": (1, step, step)}
            if not isinstance(conv.padding, str):
                padding = cube("padding", conv.padding)
                around = cube("dilation", conv.dilation) * (_REACH // 2)
                geometry["padding"] = (around, padding, padding)
        volumetric = nn.Conv3d(
            **geometry, bias=False, device=conv.weight.device, dtype=conv.weight.dtype
        )
        volumetric.bias = conv.bias
        with torch.no_grad():
            volumetric.weight.zero_()
            volumetric.weight[:, :, min(side, _REACH) // 2] = conv.weight
        volumetric.weight.requires_grad_(conv.weight.requires_grad)
        return volumetric.train(conv.training)
