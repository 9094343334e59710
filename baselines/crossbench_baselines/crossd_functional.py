"""Cross-D Conv as a function: shifts of 3D kernels, and three ways to convolve with them.

The kernels' circulants are ``A(s)[m, n] = mean_f exp(2 pi i f (m - n - s))``, f in
``fftfreq(K)``, and the kernel of sample b is ::

    W_b = Re( A(s_y) ( sum_d A(s_x)[K // 2, d] U[:, :, d] ) A(s_z)^T )

which is linear in U: a table T_b (K^3, K^2) per sample says what each voxel of U gives to each
pixel of W_b. The tables are built from the K frequencies in float64. For odd K every A is real.
For even K the frequency -1/2 has no partner and the real part belongs to the triple product, not
to its factors.

The shift can go to either side of the product, or be divided between them. The numbers are the
same, up to rounding:

``kernel``
    All of it to U, which makes B kernels for one grouped convolution. In training they are not
    kept for the backward pass, which makes them anew.
``input``
    All of it to the patches of the input, which then meet U itself in one matrix product.
``divided``
    The first axis to U and the plane to the patches (:mod:`crossbench_baselines.crossd_divided`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from crossbench_baselines.crossd_divided import Geometry, divided

if TYPE_CHECKING:
    from collections.abc import Callable

Side = Literal["kernel", "input", "divided"]

_VECTOR = 16  # channels that oneDNN takes at a time
_MOVED = 25  # multiplications in the time that one number takes to be written and read again
_TURNED = 16  # the same of a patch's number, which stays in the cache


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
        x, padding = functional.pad(x, margins(padding, size, dilation)), 0
    padding = _pair(padding)
    height, width = (
        (x.shape[2 + axis] + 2 * padding[axis] - dilation[axis] * (size - 1) - 1) // stride[axis]
        + 1
        for axis in (0, 1)
    )
    geometry = Geometry(stride, padding, dilation, groups, (height, width))
    given = (x, weights_3d, shifts, geometry)
    side = _side(x, weights_3d, geometry)
    if side == "kernel" and not keep_kernels:
        y = anew(_with_shifted_kernels, *given)
    else:
        y = _SIDES[side](*given)
    y = y.reshape(len(x), -1, height, width)
    return y if bias is None else y + bias.to(y.dtype)[:, None, None]


def _side(x: Tensor, weights_3d: Tensor, geometry: Geometry) -> Side:
    """Where the shift goes. Costs are in multiplications for each of a kernel's numbers."""
    outputs, size = len(weights_3d) // geometry.groups, weights_3d.shape[-1]
    batch, pixels = len(x), math.prod(geometry.out)
    if not _can_divide(x, weights_3d):
        return "input" if size * pixels <= outputs else "kernel"
    if pixels * (size**2 + _TURNED) >= outputs * (size**3 - size):
        return "kernel"
    to_patches = batch * pixels * (size - 1 + size**3 / outputs)
    to_both = batch * (size + _MOVED) + size * _MOVED
    return "input" if to_patches <= to_both else "divided"


def _can_divide(x: Tensor, weights_3d: Tensor) -> bool:
    """Whether both factors are real, and the blocks' buffers worth their name."""
    exact = x.dtype == weights_3d.dtype in (torch.float32, torch.float64)
    plain = x.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    return weights_3d.shape[-1] % 2 == 1 and exact and plain and not torch.compiler.is_compiling()


def _with_shifted_kernels(
    x: Tensor, weights_3d: Tensor, shifts: Tensor, geometry: Geometry
) -> Tensor:
    """One convolution, of which the samples are groups."""
    kernels = shifted_kernels(weights_3d, shifts)
    how = (None, geometry.stride, geometry.padding, geometry.dilation)
    if not _one_by_one(x, geometry):
        as_groups = x.reshape(1, -1, *x.shape[2:])
        return functional.conv2d(as_groups, kernels.flatten(0, 1), *how, len(x) * geometry.groups)
    y = x.new_empty(len(x), len(weights_3d), *geometry.out)
    for sample, kernel, output in zip(x, kernels, y, strict=True):
        output.copy_(functional.conv2d(sample, kernel, *how))
    return y


def _one_by_one(x: Tensor, geometry: Geometry) -> bool:
    """Whether samples are quicker alone: their groups would not fill a vector register."""
    few = geometry.groups == 1 and x.shape[1] < _VECTOR
    outside = torch.is_grad_enabled() or torch.compiler.is_compiling()
    return few and x.device.type == "cpu" and not outside


def _with_shifted_patches(
    x: Tensor, weights_3d: Tensor, shifts: Tensor, geometry: Geometry
) -> Tensor:
    """One matrix product of the 3D kernel and the shifted patches: (B, C_out, H' W')."""
    outputs, size = len(weights_3d), weights_3d.shape[-1]
    tables = _tables(weights_3d, shifts)
    columns = functional.unfold(x, size, geometry.dilation, geometry.padding, geometry.stride)
    with torch.autocast(device_type(x), enabled=False):
        patches = columns.to(tables.dtype).reshape(len(x), -1, size**2, columns.shape[2])
        patches = torch.einsum("kbm,bcml->ckbl", tables, patches).to(weights_3d.dtype)
    kernels = weights_3d.reshape(geometry.groups, outputs // geometry.groups, -1)
    y = kernels @ patches.reshape(geometry.groups, kernels.shape[2], -1)
    return y.reshape(outputs, len(x), -1).movedim(1, 0).contiguous()


def _with_divided_shift(
    x: Tensor, weights_3d: Tensor, shifts: Tensor, geometry: Geometry
) -> Tensor:
    """Kernels shifted along their first axis and patches shifted in the plane."""
    size = weights_3d.shape[-1]
    circulants, _ = _circulants(shifts, size)
    row = circulants[:, 0, size // 2].to(x.dtype)
    plane = torch.einsum("bip,bjq->bpqij", circulants[:, 1], circulants[:, 2])
    return divided(x, weights_3d, row, plane.reshape(-1, size**2, size**2).to(x.dtype), geometry)


_SIDES: dict[Side, Callable[..., Tensor]] = {
    "kernel": _with_shifted_kernels,
    "input": _with_shifted_patches,
    "divided": _with_divided_shift,
}


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
    channels, size = weights_3d.shape[:2], weights_3d.shape[-1]
    tables = _tables(weights_3d, shifts)
    with torch.autocast(device_type(weights_3d), enabled=False):
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


def anew(function: Callable[..., Tensor], *given: Any) -> Tensor:
    """``function(*given)``, called again in the backward pass instead of keeping what it made."""
    output: Tensor = checkpoint(function, *given, use_reentrant=False, preserve_rng_state=False)
    return output


def _pair(value: int | tuple[int, ...]) -> tuple[int, ...]:
    return (value, value) if isinstance(value, int) else value


def margins(padding: str | tuple[int, ...], size: int, dilation: tuple[int, ...]) -> list[int]:
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


def device_type(tensor: Tensor) -> str:
    """Where autocast is to be off; the meta device, which computes shapes alone, knows none."""
    return "cpu" if tensor.is_meta else tensor.device.type
