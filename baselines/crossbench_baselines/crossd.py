"""Cross-D Conv: a 3D kernel from which each sample gets its own 2D kernel (arXiv 2411.02441).

A small network predicts from the input an axis k and an angle theta for each sample, and the
3D kernel U (C_out, C_in / groups, K, K, K) is taken to the Fourier domain, has its phase
multiplied there, comes back, and gives up the slice ``[K // 2]`` of its first axis as the
sample's 2D kernel (equations 1 to 8, Algorithm 1). In 3D, ``Conv3d(U)`` takes its place.

What the equations do. With ``R = I + theta [k]x`` the phase is ``exp(-2 pi i (R^T 1) . f)``:
a fractional circular *shift* of the kernel by ``s = R^T 1``, one number an axis, whose sum is
always 3. The kernel grid is not rotated, and an axis along (1, 1, 1) has no effect. At theta = 0
the shift is (1, 1, 1): the 2D kernel is slice ``K // 2 - 1`` of U rolled by one in the plane,
so ``Conv3d(U)``, the paper's transfer, lies one voxel off the 2D kernels U was trained as. For
K = 1 the layer is a plain 1x1 convolution.

The shift is separable, so no complex number and no K x K x K kernel of a sample is needed:
:mod:`crossbench_baselines.crossd_functional` has the mathematics.
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines._volumetric import PaddingMode, conv3d_like, plain_conv
from crossbench_baselines.crossd_functional import (
    axis_shifts,
    cross_d_conv2d,
    device_type,
    margins,
)
from crossbench_baselines.crossd_rotation import mean_maps, rotation_network

_MAX_ANGLE = math.pi / 4
_TINY = 1e-8  # keeps the axis finite where the network predicts none


class CrossD:
    """``CrossDConv2d`` in 2D, and ``nn.Conv3d`` with its 3D kernels in 3D."""

    name = "crossd"
    dims = (2, 3)
    metadata: ClassVar = {
        "authors": ["Mehmet Can Yavuz", "Yang Yang"],
        "paper": "Cross-D Conv: Cross-Dimensional Transferable Knowledge Base via Fourier Shifting "
        "Operation, arXiv 2411.02441",
    }
    learns: tuple[str, ...] = ()  # rotation networks freeze with the kernels they turn
    drops = ("rotation_params",)  # a 3D kernel is used whole, and turned by nothing

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """A CrossDConv2d of the same geometry, with fresh weights and the bias of ``conv``.

        Raises:
            ConversionError: If the kernel is not square, or ``conv`` is no plain Conv2d.
        """
        conv = plain_conv(conv)
        cube("kernel_size", conv.kernel_size)
        layer = CrossDConv2d(
            conv.in_channels,
            conv.out_channels,
            conv.kernel_size,
            stride=conv.stride,
            padding=conv.padding,
            dilation=conv.dilation,
            groups=conv.groups,
            padding_mode=conv.padding_mode,
        ).to(conv.weight)
        layer.bias = conv.bias
        return layer.train(conv.training)

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The Conv3d whose weight is the layer's 3D kernel; the rotation network is dropped.

        This is the paper's transfer, one voxel off along each axis (see the module's text).

        Raises:
            ConversionError: If ``layer`` is no CrossDConv2d, or its geometry differs
                between the axes.
        """
        if not isinstance(layer, CrossDConv2d):
            msg = f"{type(layer).__name__} is no CrossDConv2d, so it holds no 3D kernel"
            raise ConversionError(msg)
        kernel = layer.weights_3d
        return conv3d_like(layer, kernel, trains=kernel.requires_grad)


class CrossDConv2d(nn.Module):
    """Cross-D convolution of 2D maps, exact and without complex tensors.

    The arguments are those of ``nn.Conv2d``, honoured as there, for square kernels of odd or
    even size; a ``bias`` is a real bias, and there is none by default. In eval mode a 1x1
    kernel is applied as the plain convolution it is; in training mode the rotation network
    runs all the same: its statistics move, and its gradients are zero.

    Under autocast the rotation network, the shifts and the kernels are computed in the
    parameters' own precision and only the convolution is cast. On CUDA, TF32 (where switched
    on) applies to the kernels' matrix product as to the convolution. ``torch.export`` fixes the
    batch size, which is a number of groups here.

    Attributes:
        weights_3d: (C_out, C_in / groups, K, K, K), Kaiming normal (fan_out, ReLU).
        rotation_params: Conv1x1(C_in -> 16), BatchNorm, ReLU, Conv1x1(16 -> 4).
        bias: (C_out,), zero at first, or None.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - nn.Conv2d's own arguments
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] = 1,
        padding: int | str | tuple[int, ...] = 0,
        dilation: int | tuple[int, ...] = 1,
        groups: int = 1,
        bias: bool = False,
        padding_mode: PaddingMode = "zeros",
    ) -> None:
        """Check the arguments as ``nn.Conv2d`` does, and draw the weights.

        Raises:
            ValueError: If the kernel is not square, or ``nn.Conv2d`` refuses the arguments.
        """
        super().__init__()
        geometry = nn.Conv2d(
            in_channels,
            out_channels,
            kernel_size,  # type: ignore[arg-type]
            stride=stride,  # type: ignore[arg-type]
            padding=padding,  # type: ignore[arg-type]
            dilation=dilation,  # type: ignore[arg-type]
            groups=groups,
            padding_mode=padding_mode,
            device="meta",
        )
        if len(set(geometry.kernel_size)) != 1:
            msg = f"kernel_size (={kernel_size}) must be square: the kernel is a cube"
            raise ValueError(msg)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size: tuple[int, ...] = geometry.kernel_size
        self.stride: tuple[int, ...] = geometry.stride
        self.padding: str | tuple[int, ...] = geometry.padding
        self.dilation: tuple[int, ...] = geometry.dilation
        self.groups = groups
        self.padding_mode: PaddingMode = padding_mode
        sides = (self.kernel_size[0],) * 3
        self.weights_3d = nn.Parameter(torch.empty(out_channels, in_channels // groups, *sides))
        self.bias: Tensor | None = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.rotation_params = rotation_network(in_channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the 3D kernel afresh and zero the bias; the rotation network stays."""
        nn.init.kaiming_normal_(self.weights_3d, mode="fan_out", nonlinearity="relu")
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def axis_angle(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The axis and angle that the rotation network predicts.

        Each of its four maps is averaged over space, weighted by the map's own softmax.

        Args:
            x: (B, C_in, H, W).

        Returns:
            Axis (B, 3), of unit length unless the prediction is zero, and angle (B, 1) in
            radians, within (-pi/4, pi/4).
        """
        with torch.autocast(device_type(x), enabled=False):
            predicted = mean_maps(self.rotation_params, x.to(self.weights_3d.dtype))
            axis, angle = predicted.split((3, 1), dim=1)  # type: ignore[no-untyped-call]
            length = torch.linalg.vector_norm(axis, dim=1, keepdim=True)
            return axis / (length + _TINY), angle.tanh() * _MAX_ANGLE

    def forward(self, x: Tensor) -> Tensor:
        """Convolve each sample with its own 2D kernel.

        Args:
            x: (B, C_in, H, W), contiguous or channels-last.

        Returns:
            (B, C_out, H', W'), shaped as by ``nn.Conv2d``.
        """
        padded, padding = x, self.padding
        if self.padding_mode != "zeros":
            sides = margins(padding, self.kernel_size[0], self.dilation)
            padded, padding = functional.pad(x, sides, mode=self.padding_mode), (0, 0)
        geometry = (self.stride, padding, self.dilation, self.groups)
        if self.kernel_size != (1, 1):
            shifts = axis_shifts(*self.axis_angle(x))
            keep = not self.training
            given = (padded, self.weights_3d, shifts, self.bias, *geometry)
            return cross_d_conv2d(*given, keep_kernels=keep)
        kernel = self.weights_3d[:, :, 0]
        if self.training:
            axis, angle = self.axis_angle(x)
            kernel = kernel + 0 * (axis.sum() + angle.sum()).to(kernel.dtype)
        return functional.conv2d(padded, kernel, self.bias, *geometry)  # type: ignore[arg-type]

    def extra_repr(self) -> str:
        """The geometry, in the order of the arguments."""
        shown = ("stride", "padding", "dilation", "groups", "padding_mode")
        rest = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        return f"{sizes}, {rest}, bias={self.bias is not None}"
