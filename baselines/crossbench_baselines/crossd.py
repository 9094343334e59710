"""Cross-D Conv: a 3D kernel from which each sample gets its own 2D kernel (arXiv 2411.02441).

A small network predicts from the input an axis k and an angle theta for each sample, and the
3D kernel U (C_out, C_in / groups, K, K, K) is taken to the Fourier domain, has its phase
multiplied there, comes back, and gives up the slice ``[K // 2]`` of its first axis as the
sample's 2D kernel (equations 1 to 8, Algorithm 1). In 3D, ``Conv3d(U)`` takes its place.

What the equations do. With ``R = I + theta [k]x`` the phase is ``exp(-2 pi i (R^T 1) . f)``:
a fractional circular *shift* of the kernel by ``s = R^T 1``, one number an axis, whose sum is
always 3. The kernel grid is not rotated, and an axis along (1, 1, 1) has no effect. At theta = 0
the shift is (1, 1, 1): the 2D kernel is slice ``K // 2 - 1`` of U rolled by one in the plane,
so ``Conv3d(U)``, the paper's transfer, lies one voxel off the 2D kernels U was trained as.

The shift is separable. With the circulants ``A(s)[m, n] = mean_f exp(2 pi i f (m - n - s))``,
f in ``fftfreq(K)``, the kernel of sample b is ::

    W_b = Re( A(s_y) ( sum_d A(s_x)[K // 2, d] U[:, :, d] ) A(s_z)^T )

which is linear in U: a table T_b (K^3, K^2) per sample says what each voxel of U gives to each
pixel of W_b. The tables are built from the K frequencies in float64. For odd K every A is real.
For even K the frequency -1/2 has no partner and the real part belongs to the triple product, not
to its factors. For K = 1 the layer is a plain 1x1 convolution.

The tables can be applied on either side of the convolution: to U, which makes B kernels for one
grouped convolution, or to the patches of the input, which then meet U itself in one matrix
product. The numbers are the same; the layer takes the side whose intermediate is the smaller,
kernels of C_out C_in / groups K^2 a sample against patches of C_in K^3 H' W'. In training the
kernels are not kept for the backward pass, which makes them anew.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines._volumetric import PaddingMode, conv3d_like, plain_conv

if TYPE_CHECKING:
    from collections.abc import Callable

_HIDDEN = 16  # channels of the rotation network
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
        self.rotation_params = nn.Sequential(
            nn.Conv2d(in_channels, _HIDDEN, 1),
            nn.BatchNorm2d(_HIDDEN),
            nn.ReLU(),
            nn.Conv2d(_HIDDEN, 4, 1),
        )
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
        with torch.autocast(_device_type(x), enabled=False):
            maps = self.rotation_params(x.to(self.weights_3d.dtype)).flatten(2)
            maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
            pool = partial(_anew, _weighted_mean) if self.training else _weighted_mean
            predicted: Tensor = pool(maps)
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
            margins = _margins(padding, self.kernel_size[0], self.dilation)
            padded, padding = functional.pad(x, margins, mode=self.padding_mode), (0, 0)
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


def cross_d_conv2d(  # noqa: PLR0913 - those of nn.functional.conv2d and one
    x: Tensor,
    weights_3d: Tensor,
    shifts: Tensor,
    bias: Tensor | None = None,
    stride: int | tuple[int, ...] = 1,
    padding: int | str | tuple[int, ...] = 0,
    dilation: int | tuple[int, ...] = 1,
    groups: int = 1,
    *,
    keep_kernels: bool = True,
) -> Tensor:
    """Convolve each sample with the 2D kernel that its shift cuts out of the 3D kernel.

    Args:
        x: (B, C_in, H, W).
        weights_3d: (C_out, C_in / groups, K, K, K).
        shifts: (B, 3), in voxels along the kernel's first, second and third axis.
        bias: (C_out,) or None.
        stride: As in ``torch.nn.functional.conv2d``, like the rest.
        padding: Zeros on both sides, or ``"same"`` or ``"valid"``.
        dilation: Spacing of the kernel's elements.
        groups: Number of channel groups.
        keep_kernels: Whether the samples' kernels are kept for the backward pass or made anew
            there, with the same numbers: less memory for a little time. Where they are not kept,
            the transforms of ``torch.func`` that go backward, ``grad`` and its like, refuse.

    Returns:
        (B, C_out, H', W').
    """
    size = weights_3d.shape[-1]
    stride, dilation = _pair(stride), _pair(dilation)
    if isinstance(padding, str):
        x, padding = functional.pad(x, _margins(padding, size, dilation)), 0
    padding = _pair(padding)
    height, width = (
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (size - 1) - 1) // stride[axis]
        + 1
        for axis in (0, 1)
    )
    given = (x, weights_3d, _tables(weights_3d, shifts), bias, stride, padding, dilation, groups)
    if _is_smaller_in_input_space(height * width, weights_3d, groups):
        y = _with_shifted_patches(*given)
    elif keep_kernels:
        y = _with_shifted_kernels(*given)
    else:
        y = _anew(_with_shifted_kernels, *given)
    return y.reshape(len(x), -1, height, width)


def _is_smaller_in_input_space(pixels: int, weights_3d: Tensor, groups: int) -> bool:
    """Whether shifted patches for so many output pixels are fewer numbers than shifted kernels."""
    outputs, inputs, size = weights_3d.shape[:3]
    return groups * inputs * size**3 * pixels <= outputs * inputs * size**2


def _with_shifted_kernels(
    x: Tensor,
    weights_3d: Tensor,
    tables: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Kernel space: one convolution, of which the samples are groups."""
    batch = len(x)
    return functional.conv2d(
        x.reshape(1, -1, *x.shape[2:]),
        _kernels(weights_3d, tables).flatten(0, 1),
        None if bias is None else bias.repeat(batch),
        stride,
        padding,
        dilation,
        batch * groups,
    )


def _with_shifted_patches(
    x: Tensor,
    weights_3d: Tensor,
    tables: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    dilation: tuple[int, ...],
    groups: int,
) -> Tensor:
    """Input space: one matrix product of the 3D kernel and the shifted patches (B, C_out, L)."""
    outputs, size = len(weights_3d), weights_3d.shape[-1]
    columns = functional.unfold(x, size, dilation, padding, stride)
    with torch.autocast(_device_type(x), enabled=False):
        patches = columns.to(tables.dtype).reshape(len(x), -1, size**2, columns.shape[2])
        patches = torch.einsum("kbm,bcml->ckbl", tables, patches).to(weights_3d.dtype)
    kernels = weights_3d.reshape(groups, outputs // groups, -1)
    y = kernels @ patches.reshape(groups, kernels.shape[2], -1)
    y = y.reshape(outputs, len(x), -1).movedim(1, 0).contiguous()
    return y if bias is None else y + bias.to(y.dtype)[:, None]


def axis_shifts(axis: Tensor, angle: Tensor) -> Tensor:
    """The shift ``(I + theta [k]x)^T 1`` that an axis k and an angle theta amount to.

    Args:
        axis: (B, 3).
        angle: (B, 1), in radians.

    Returns:
        (B, 3), in voxels, each row summing to 3.
    """
    return 1 + angle * (axis.roll(1, dims=1) - axis.roll(-1, dims=1))


def shifted_kernels(weights_3d: Tensor, shifts: Tensor) -> Tensor:
    """The middle slices of a 3D kernel shifted circularly, by fractions of a voxel, per sample.

    Args:
        weights_3d: (C_out, C_in / groups, K, K, K).
        shifts: (B, 3), in voxels along the first, second and third kernel axis.

    Returns:
        (B, C_out, C_in / groups, K, K), in the dtype of ``weights_3d``.
    """
    return _kernels(weights_3d, _tables(weights_3d, shifts))


def _kernels(weights_3d: Tensor, tables: Tensor) -> Tensor:
    """The 3D kernel's voxels mixed by each sample's table: (B, C_out, C_in / groups, K, K)."""
    channels, size = weights_3d.shape[:2], weights_3d.shape[-1]
    with torch.autocast(_device_type(weights_3d), enabled=False):
        kernels = weights_3d.to(tables.dtype).reshape(-1, size**3) @ tables.flatten(1)
        kernels = kernels.reshape(*channels, -1, size, size).movedim(2, 0)
        return kernels.to(weights_3d.dtype)


def _tables(weights_3d: Tensor, shifts: Tensor) -> Tensor:
    """What each voxel of the 3D kernel gives to each pixel of the 2D ones: (K^3, B, K^2).

    Computed in float64; returned in the dtype of ``weights_3d``, float32 at the least.
    """
    size = weights_3d.shape[-1]
    real, imaginary = _circulants(shifts, size)

    def product(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        first, second, third = x[:, 0, size // 2], y[:, 1], z[:, 2]
        return torch.einsum("bd,bmp,bnq->dpqbmn", first, second, third)

    table = product(real, real, real)
    if size % 2 == 0:  # else every imaginary part cancels between f and -f
        table = table - product(imaginary, imaginary, real)
        table = table - product(imaginary, real, imaginary)
        table = table - product(real, imaginary, imaginary)
    dtype = torch.promote_types(weights_3d.dtype, torch.float32)
    return table.reshape(size**3, -1, size**2).to(dtype)


def _circulants(shifts: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of A(s)[m, n] for each sample and axis: (B, 3, K, K), float64."""
    place = torch.arange(size, dtype=torch.float64, device=shifts.device)
    frequency = torch.fft.fftfreq(size, dtype=torch.float64, device=shifts.device)
    distance = place[:, None] - place - shifts.double()[:, :, None, None]
    phase = 2 * math.pi * distance[..., None] * frequency
    return phase.cos().mean(-1), phase.sin().mean(-1)


def _weighted_mean(maps: Tensor) -> Tensor:
    """The mean over the last axis, weighted by the softmax over it."""
    return (maps.softmax(-1) * maps).sum(-1)


def _anew(function: Callable[..., Tensor], *given: Any) -> Tensor:
    """``function(*given)``, called again in the backward pass instead of keeping what it made."""
    output: Tensor = checkpoint(function, *given, use_reentrant=False, preserve_rng_state=False)
    return output


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value


def _margins(padding: str | tuple[int, ...], size: int, dilation: tuple[int, ...]) -> list[int]:
    """Padding on both sides of each axis, last axis first, as ``functional.pad`` takes it."""
    margins = []
    for axis in (1, 0):
        if padding == "same":
            total = dilation[axis] * (size - 1)
            margins += [total // 2, total - total // 2]
        else:
            side = 0 if isinstance(padding, str) else padding[axis]
            margins += [side, side]
    return margins


def _device_type(tensor: Tensor) -> str:
    """Where autocast is to be off; the meta device, which computes shapes alone, knows none."""
    return "cpu" if tensor.is_meta else tensor.device.type
