"""Cross-D Conv with its shift divided: one axis on the kernel's side, two on the input's.

A shift is separable, so its parts may go to either side of the product. With the middle row
``a = A(s_x)[K // 2]``, K numbers a sample, and the planar table ``R[pq, ij] = A(s_y)[i, p]
A(s_z)[j, q]``, K^2 by K^2 a sample, the output of sample b is ::

    y_b = W_b q_b        W_b = sum_d a_b[d] U[:, :, d]        q_b = R_b im2col(x_b)

A number of W_b takes K multiplications, where one of the whole kernel takes K^3. K is odd: for
even K the real part belongs to the product of all three factors.

Input channels are taken in blocks, whose buffers are used again, so that neither the samples'
kernels nor the patches leave the cache, and neither do their gradients. With ``g = dy`` ::

    dW = g q^T       dU[:, :, d] = sum_b a_b[d] dW_b       da_b[d] = <dW_b, U[:, :, d]>
    dq = W^T g       dR = dq im2col(x)^T                   dx = col2im(R^T dq)

The map is linear in each of x, U, a and R. :func:`composed` is the same map in PyTorch's own
operations, holding everything at once; second derivatives, forward-mode derivatives and ``vmap``
go through it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_BLOCK = 2**20  # numbers in a block of the samples' kernels: 4 MiB of float32


@dataclass(frozen=True)
class Geometry:
    """Geometry of a convolution along both axes; ``out`` is the output's height and width."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int
    out: tuple[int, ...]


def divided(
    x: Tensor, weights_3d: Tensor, row: Tensor, plane: Tensor, geometry: Geometry
) -> Tensor:
    """Convolve each sample with the kernel that its shift cuts out of the 3D kernel.

    Args:
        x: (B, C_in, H, W), on the CPU; all four of one dtype.
        weights_3d: U, (C_out, C_in / groups, K, K, K), K odd.
        row: a, (B, K).
        plane: R, (B, K^2, K^2).
        geometry: Of the convolution.

    Returns:
        (B, C_out, H' W').
    """
    output: Tensor = _Divided.apply(x, weights_3d, row, plane, geometry)
    return output


def composed(
    x: Tensor, weights_3d: Tensor, row: Tensor, plane: Tensor, geometry: Geometry
) -> Tensor:
    """As :func:`divided`, with all kernels and all patches at once."""
    outputs, inputs, size = weights_3d.shape[:3]
    slices = weights_3d.reshape(outputs, inputs, size, size**2)
    kernels = torch.einsum("bd,ocdm->bocm", row, slices)
    columns = functional.unfold(x, size, geometry.dilation, geometry.padding, geometry.stride)
    patches = torch.einsum(
        "bmn,bcnl->bcml", plane, columns.view(len(x), -1, size**2, columns.shape[2])
    )
    by_group = (len(x), geometry.groups, -1, inputs * size**2)
    patches = patches.reshape(len(x), geometry.groups, inputs * size**2, -1)
    return (kernels.reshape(by_group) @ patches).flatten(1, 2)


def _whole(geometry: Geometry) -> Callable[..., Tensor]:
    return partial(composed, geometry=geometry)


class _Divided(torch.autograd.Function):
    """Blockwise, forward and back; keeps nothing but what it is given."""

    @staticmethod
    def forward(
        x: Tensor, weights_3d: Tensor, row: Tensor, plane: Tensor, geometry: Geometry
    ) -> Tensor:
        blocks = _Blocks(x, weights_3d, row, plane, geometry)
        output = x.new_zeros(len(blocks.x), blocks.pixels, len(weights_3d) // geometry.groups)
        for block in blocks:
            output.baddbmm_(block.patches.mT, block.kernels.mT)
        return output.mT.reshape(len(x), -1, blocks.pixels)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        *tensors, ctx.geometry = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        needed = ctx.needs_input_grad[:4]
        if not torch.is_grad_enabled():
            return (*_gradients(gradient, needed, *ctx.saved_tensors, ctx.geometry), None)
        pull = torch.func.vjp(_whole(ctx.geometry), *ctx.saved_tensors)[1]
        found = zip(pull(gradient), needed, strict=True)
        return (*(each if is_needed else None for each, is_needed in found), None)

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> Tensor:
        given, whole = ctx.saved_tensors, _whole(ctx.geometry)
        terms = (
            whole(*given[:place], tangent, *given[place + 1 :])
            for place, tangent in enumerate(tangents[:4])
            if tangent is not None
        )
        return torch.stack([*terms]).sum(0)

    @staticmethod
    def vmap(_: Any, in_dims: tuple[int | None, ...], *given: Any) -> tuple[Tensor, int]:
        output: Tensor = torch.vmap(composed, in_dims)(*given)
        return output, 0


def _gradients(gradient: Tensor, needed: Sequence[bool], *given: Any) -> tuple[Tensor | None, ...]:
    """Gradients of x, U, a and R where needed, none of them differentiable again."""
    x, weights_3d, row, plane, _ = given
    blocks = _Blocks(*given)
    gradient = gradient.reshape(len(blocks.x), -1, blocks.pixels)
    of_x = torch.empty_like(blocks.x) if needed[0] else None
    of_weights = torch.empty(weights_3d.shape).to(weights_3d) if needed[1] else None
    of_row, of_plane = torch.zeros_like(row), torch.zeros_like(plane)
    for block in blocks:
        if needed[1] or needed[2]:
            of_row += blocks.back_to_slices(block, gradient, of_weights)
        if needed[0] or needed[3]:
            of_plane += blocks.back_to_input(block, gradient, of_x)
    of_x = None if of_x is None else of_x.view(x.shape)
    return of_x, of_weights, of_row, of_plane


@dataclass(frozen=True)
class _Block:
    """What belongs to c input channels of each of N = B groups pairs of sample and group.

    Attributes:
        channels: Which, of a group's.
        slices: U, (K, C_out c K^2).
        kernels: W, (N, C_out / groups, c K^2).
        turns: R for each channel, (N c, K^2, K^2).
        columns: im2col(x), (N c, K^2, P).
        patches: q, (N, c K^2, P).
    """

    channels: slice
    slices: Tensor
    kernels: Tensor
    turns: Tensor
    columns: Tensor
    patches: Tensor


class _Blocks:
    """The blocks of one convolution, one after the other in the same buffers."""

    def __init__(
        self, x: Tensor, weights_3d: Tensor, row: Tensor, plane: Tensor, geometry: Geometry
    ) -> None:
        self.row, self.plane, self.geometry = row, plane, geometry
        self.inputs, self.size = weights_3d.shape[1:3]
        self.pixels = math.prod(geometry.out)
        self.x = x.reshape(-1, self.inputs, *x.shape[2:])
        self.slices = _by_slice(weights_3d)
        self._buffers: dict[str, Tensor] = {}

    def __iter__(self) -> Iterator[_Block]:
        channel = len(self.row) * self.slices.shape[1] * self.size**2
        width = max(1, _BLOCK // channel)
        for start in range(0, self.inputs, width):
            yield self._block(slice(start, min(start + width, self.inputs)))

    def _block(self, channels: slice) -> _Block:
        width = channels.stop - channels.start
        slices = self._copy("slices", self.slices[:, :, channels]).flatten(1)
        kernels = self._buffer("kernels", len(self.row), slices.shape[1])
        torch.mm(self.row, slices, out=kernels)
        turns = self.plane.repeat_interleave(self.geometry.groups * width, 0)
        columns = self._copy("columns", self._windows(self._padded(self.x[:, channels])))
        columns = columns.view(len(turns), self.size**2, -1)
        patches = torch.bmm(turns, columns, out=self._buffer("patches", *columns.shape))
        taps = width * self.size**2
        return _Block(
            channels,
            slices,
            kernels.view(len(self.x), -1, taps),
            turns,
            columns,
            patches.view(len(self.x), taps, -1),
        )

    def back_to_slices(self, block: _Block, gradient: Tensor, of_weights: Tensor | None) -> Tensor:
        """The gradient of a (B, K) from a block; that of U is written where it is wanted."""
        of_kernels = self._buffer("gradient", *block.kernels.shape)
        torch.bmm(gradient, block.patches.mT, out=of_kernels)
        of_kernels = of_kernels.view(len(self.row), -1)
        of_row = of_kernels @ block.slices.T
        if of_weights is not None:
            of_slices = _by_slice(of_weights)[:, :, block.channels]
            found = torch.mm(self.row.T, of_kernels, out=block.slices)
            of_slices.copy_(found.view(of_slices.shape))
        return of_row

    def back_to_input(self, block: _Block, gradient: Tensor, of_x: Tensor | None) -> Tensor:
        """The gradient of R (B, K^2, K^2) from a block; that of x is written where wanted."""
        torch.bmm(block.kernels.mT, gradient, out=block.patches)
        of_patches = block.patches.view(block.columns.shape)
        of_turns = of_patches @ block.columns.mT
        if of_x is not None:
            of_columns = torch.bmm(block.turns.mT, of_patches, out=block.columns)
            self._scatter(of_columns, of_x[:, block.channels])
        return of_turns.view(len(self.row), -1, *of_turns.shape[1:]).sum(1)

    def _scatter(self, columns: Tensor, image: Tensor) -> None:
        """col2im: every pixel of the image gets the sum of its places in the columns."""
        padded = torch.zeros_like(self._padded(image))
        windows = self._windows(padded)
        columns = columns.view(windows.shape)
        for i, j in product(range(self.size), repeat=2):  # taps of one place do not overlap
            windows[:, :, i, j] += columns[:, :, i, j]
        top, left = self.geometry.padding
        height, width = image.shape[2:]
        image.copy_(padded[:, :, top : top + height, left : left + width])

    def _padded(self, x: Tensor) -> Tensor:
        vertical, horizontal = self.geometry.padding
        return functional.pad(x, (horizontal, horizontal, vertical, vertical))

    def _windows(self, padded: Tensor) -> Tensor:
        """The pixels that meet each tap, as a view: (N, c, K, K, H', W')."""
        sample, channel, *steps = padded.stride()
        taps = [step * apart for step, apart in zip(steps, self.geometry.dilation, strict=True)]
        places = [step * apart for step, apart in zip(steps, self.geometry.stride, strict=True)]
        shape = (*padded.shape[:2], self.size, self.size, *self.geometry.out)
        return padded.as_strided(shape, (sample, channel, *taps, *places))

    def _copy(self, name: str, tensor: Tensor) -> Tensor:
        return self._buffer(name, *tensor.shape).copy_(tensor)

    def _buffer(self, name: str, *shape: int) -> Tensor:
        """Memory that the next block uses again; the first block is the largest."""
        numel = math.prod(shape)
        if name not in self._buffers:
            self._buffers[name] = self.x.new_empty(numel)
        return self._buffers[name][:numel].view(shape)


def _by_slice(weights_3d: Tensor) -> Tensor:
    """A view (K, C_out, C_in / groups, K^2) of a 3D kernel."""
    return weights_3d.flatten(3).permute(2, 0, 1, 3)
