"""ACS convolution: each 2D kernel looks along one of the axial, coronal and sagittal planes.

Yang et al., "Reinventing 2D convolutions for 3D images", 2021: the output channels are cut
into three parts, and the 2D kernels of each part are laid into one of the three planes. The
2D network is the plain one, so any pretrained 2D weights serve.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from acsconv.operators import ACSConv

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines._volumetric import plain_conv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


class ACS:
    """Trains as the plain 2D convolution, and becomes acsconv's ``ACSConv``."""

    name = "acs"
    dims = (3,)
    metadata: ClassVar = {
        "authors": [
            "Jiancheng Yang",
            "Xiaoyang Huang",
            "Yi He",
            "Jingwei Xu",
            "Canqian Yang",
            "Guozheng Xu",
            "Bingbing Ni",
        ],
        "paper": "Reinventing 2D Convolutions for 3D Images, arXiv 1911.10477",
        "url": "https://github.com/M3DV/ACSConv",
        "licence": "MIT AND Apache-2.0",  # of this file, and of acsconv
    }

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The ACSConv with the same weight and bias.

        Raises:
            ConversionError: If ``ACSConv`` would be wrong for this geometry, or would fail
                for some sizes of input.
        """
        conv = plain_conv(layer)
        _check(conv)
        acs = ACSConv(
            conv.in_channels,
            conv.out_channels,
            cube("kernel_size", conv.kernel_size),
            stride=cube("stride", conv.stride),
            padding=cube("kernel_size", conv.kernel_size) // 2,
            bias=conv.bias is not None,
        )
        acs.weight = conv.weight
        acs.bias = conv.bias
        volumetric: nn.Module = acs.train(conv.training)
        return volumetric


def _check(conv: nn.Conv2d) -> None:
    """Refuse what acsconv 0.1.1 gets wrong, with or without an error of its own."""
    for complaint in _complaints(conv):
        msg = f"ACSConv has no form for {complaint} of {conv}"
        raise ConversionError(msg)


def _complaints(conv: nn.Conv2d) -> Iterator[str]:
    kernel = cube("kernel_size", conv.kernel_size)
    if kernel % 2 == 0:
        yield f"the even kernel_size {kernel}"
    if cube("dilation", conv.dilation) != 1:
        yield f"the dilation {conv.dilation}"  # computed, and wrong
    if conv.groups != 1:
        yield f"the groups={conv.groups}"  # depthwise fails for odd sizes with stride 2
    if conv.padding_mode != "zeros":
        yield f"the padding_mode {conv.padding_mode!r}"  # silently becomes zeros
    if _padding(conv) != (kernel // 2,) * 2:
        yield f"the padding {conv.padding!r}, which is not half the kernel,"  # some sizes fail


def _padding(conv: nn.Conv2d) -> tuple[int, ...]:
    if conv.padding == "same":
        return tuple(side // 2 for side in conv.kernel_size)
    return (0, 0) if isinstance(conv.padding, str) else conv.padding
