"""ACS convolution: each 2D kernel looks along one of the axial, coronal and sagittal planes.

Yang et al., "Reinventing 2D convolutions for 3D images", 2021: the output channels are cut
into three parts, and the 2D kernels of each part are laid into one of the three planes. The
2D network is the plain one, so any pretrained 2D weights serve. A depthwise
kernel looks along the one plane that its channel has.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines._volumetric import geometry_3d, plain_conv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor


class ACS:
    """Trains as the plain 2D convolution, and becomes an :class:`ACSConv3d`."""

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
        "licence": "MIT",
    }

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The :class:`ACSConv3d` with the same weight and bias.

        Raises:
            ConversionError: If ``layer`` is no plain Conv2d, its geometry differs between the
                axes, its kernel has no middle, or a view would get a part of a group.
        """
        conv = plain_conv(layer)
        for complaint in _complaints(conv):
            msg = f"acs has no form for {complaint} of {conv}"
            raise ConversionError(msg)
        return ACSConv3d(conv)


class ACSConv3d(nn.Conv3d):
    """A Conv3d whose kernels are 2D ones, each in the middle plane of one view.

    It computes what ``acsconv.operators.ACSConv`` does where that is right, and takes groups,
    dilation and any zero padding too.

    Attributes:
        weight: (C_out, C_in / groups, K, K), the 2D kernels.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__(**geometry_3d(conv), bias=False, device="meta")
        self.weight, self.bias = conv.weight, conv.bias
        self.train(conv.training)

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (B, C_in, D, H, W) to (B, C_out, D', H', W')."""
        views = enumerate(_views(self.out_channels))
        return torch.cat([self._view(volumes, *view) for view in views if len(view[1])], dim=1)

    def _view(self, volumes: Tensor, view: int, channels: range) -> Tensor:
        """The output channels whose kernels lie in one view."""
        kept = slice(channels.start, channels.stop)
        groups = range(
            channels.start * self.groups // self.out_channels,
            -(-channels.stop * self.groups // self.out_channels),
        )
        each = self.in_channels // self.groups
        x = volumes[:, groups.start * each : groups.stop * each]
        padding = _zeros(self)
        beyond = padding[view] - self.dilation[view] * (self.kernel_size[view] // 2)
        padding[view] = max(beyond, 0)
        if beyond < 0:  # where a cube of a kernel would not have its middle
            x = x.narrow(2 + view, -beyond, max(x.shape[2 + view] + 2 * beyond, 0))
        return functional.conv3d(
            x,
            self.weight[kept].unsqueeze(2 + view),
            None if self.bias is None else self.bias[kept],
            self.stride,
            padding,
            self.dilation,
            len(groups),
        )


def _views(channels: int) -> list[range]:
    """The output channels of each view: three parts, as equal as they can be."""
    third, rest = divmod(channels, 3)
    ends = [0, third + (rest > 0), 2 * third + min(rest, 2), channels]
    return [range(*pair) for pair in itertools.pairwise(ends)]


def _zeros(layer: nn.Conv3d) -> list[int]:
    """Zeros on either side of each axis."""
    if layer.padding == "same":
        sides = zip(layer.kernel_size, layer.dilation, strict=True)
        return [gap * (side // 2) for side, gap in sides]
    return [0, 0, 0] if isinstance(layer.padding, str) else list(layer.padding)


def _complaints(conv: nn.Conv2d) -> Iterator[str]:
    kernel = cube("kernel_size", conv.kernel_size)
    if kernel % 2 == 0:
        yield f"the even kernel_size {kernel}"
    if conv.padding_mode != "zeros":
        yield f"the padding_mode {conv.padding_mode!r}"
    group = conv.out_channels // conv.groups
    if conv.groups > 1 and any(
        len(view) and view.start % group for view in _views(conv.out_channels)
    ):
        yield f"the groups={conv.groups}, which a view would get a part of,"
