"""Residual networks with 3D convolutions throughout, as published foundation models have them.

Their tensors have torchvision's names, so that published weights are loaded key by key.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a volumetric residual network is made of.

    Attributes:
        blocks: Their number in each of four stages.
        bottleneck: Whether a block is 1x1x1, 3x3x3 and 1x1x1 to four times its width, with the
            stride on the 3x3x3, or two of 3x3x3.
        width: Channels of the stem and of the first stage's blocks; each stage doubles it.
        stem_stride: Of the 7x7x7 convolution, on every axis.
        strides: Of each stage's first block.
        dilations: Of each stage's 3x3x3 convolutions.
        projects: Whether a shortcut of another shape is a 1x1x1 convolution with BatchNorm, or
            takes every so many voxels and fills up with channels of zeros (type B, or A).
        projection_bias: Whether that convolution has a bias.
        standardises: Whether each volume is scaled to mean 0 and variance 1 first.
    """

    blocks: tuple[int, int, int, int]
    bottleneck: bool
    width: int = 64
    stem_stride: int = 1
    strides: tuple[int, int, int, int] = (1, 2, 2, 2)
    dilations: tuple[int, int, int, int] = (1, 1, 1, 1)
    projects: bool = True
    projection_bias: bool = False
    standardises: bool = False


class ZeroShortcut(nn.Module):
    """Every ``stride``-th voxel, with channels of zeros added: shortcut type A.

    Args:
        width: Channels that come out.
        stride: On every axis.
    """

    def __init__(self, width: int, stride: int) -> None:
        super().__init__()
        self.width, self.stride = width, stride

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, D, H, W) to (B, ``width``, D', H', W')."""
        step = self.stride
        thinned = maps[:, :, ::step, ::step, ::step]
        return functional.pad(thinned, (0, 0, 0, 0, 0, 0, 0, self.width - maps.shape[1]))


class Block(nn.Module):
    """Convolutions with BatchNorm around which a shortcut leads.

    Args:
        sizes: Channels in, and out of each convolution.
        kernels: Their sides.
        strided: Which of them has the stride.
        stride: On every axis.
        dilation: Of those of side 3.
        shortcut: What the inputs pass through.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        kernels: Sequence[int],
        *,
        strided: int,
        stride: int,
        dilation: int,
        shortcut: nn.Module | None,
    ) -> None:
        super().__init__()
        self._count = len(kernels)
        for place, side in enumerate(kernels):
            conv = nn.Conv3d(
                sizes[place],
                sizes[place + 1],
                side,
                stride=stride if place == strided else 1,
                padding=dilation if side > 1 else 0,
                dilation=dilation if side > 1 else 1,
                bias=False,
            )
            self.add_module(f"conv{place + 1}", conv)
            self.add_module(f"bn{place + 1}", nn.BatchNorm3d(sizes[place + 1]))
        self.downsample = shortcut

    def forward(self, maps: Tensor) -> Tensor:
        """Map (B, C, D, H, W) to (B, C', D', H', W')."""
        answer = maps
        for number in range(1, self._count + 1):
            answer = self.get_submodule(f"conv{number}")(answer)
            answer = self.get_submodule(f"bn{number}")(answer)
            answer = answer.relu() if number < self._count else answer
        kept = maps if self.downsample is None else self.downsample(maps)
        return (answer + kept).relu()


class VolumetricResNet(nn.Module):
    """A residual network for gray volumes, whose head reads the mean of the last maps.

    Args:
        design: What it is made of.
        num_classes: Outputs of the head; 0 for features.
    """

    def __init__(self, design: Design, num_classes: int) -> None:
        super().__init__()
        self._standardises = design.standardises
        width = design.width
        self.conv1 = nn.Conv3d(1, width, 7, stride=design.stem_stride, padding=3, bias=False)
        self.bn1 = nn.BatchNorm3d(width)
        self.maxpool = nn.MaxPool3d(3, stride=2, padding=1)
        for stage in range(4):
            made, width = _stage(design, stage, width)
            self.add_module(f"layer{stage + 1}", made)
        self.fc = nn.Linear(width, num_classes) if num_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv3d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        return self.fc

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (B, C, D, H, W), whose channels are averaged, to (B, K), or to features (B, F)."""
        gray = volumes.mean(dim=1, keepdim=True)
        maps = self.conv1(_standardised(gray) if self._standardises else gray)
        maps = self.maxpool(self.bn1(maps).relu())
        for stage in range(1, 5):
            maps = self.get_submodule(f"layer{stage}")(maps)
        answers: Tensor = self.fc(maps.mean(dim=(2, 3, 4)))
        return answers


def _standardised(volumes: Tensor) -> Tensor:
    """Volumes (B, 1, D, H, W), each less its mean and over its standard deviation."""
    variance, mean = torch.var_mean(volumes, dim=(1, 2, 3, 4), correction=0, keepdim=True)
    return (volumes - mean) / (variance + 1e-8).sqrt()


def _stage(design: Design, stage: int, width: int) -> tuple[nn.Sequential, int]:
    """The blocks of one of the stages 0 to 3, and how many channels come out."""
    inner = design.width * 2**stage
    outer = inner * (4 if design.bottleneck else 1)
    blocks: list[nn.Module] = []
    for number in range(design.blocks[stage]):
        stride = design.strides[stage] if number == 0 else 1
        blocks.append(
            Block(
                (width, inner, inner, outer) if design.bottleneck else (width, inner, outer),
                (1, 3, 1) if design.bottleneck else (3, 3),
                strided=1 if design.bottleneck else 0,
                stride=stride,
                dilation=design.dilations[stage],
                shortcut=_shortcut(design, width, outer, stride),
            )
        )
        width = outer
    return nn.Sequential(*blocks), width


def _shortcut(design: Design, width: int, outer: int, stride: int) -> nn.Module | None:
    if stride == 1 and width == outer:
        return None
    if not design.projects:
        return ZeroShortcut(outer, stride)
    conv = nn.Conv3d(width, outer, 1, stride=stride, bias=design.projection_bias)
    return nn.Sequential(conv, nn.BatchNorm3d(outer))
