"""Convolutions in a network of any method: the same numbers for less work.

A gray batch has three channels that are one (:mod:`crossbench.data.transforms.gray`): the stem's
kernel, summed over its input channels, meets one.

A volume of 28 voxels a side is one voxel in the last stage of a ResNet. Most taps of its kernels
then meet padding alone and are left out (:mod:`crossbench.training.taps`). On the CPU torch spends
nearly half of a training step on the gradients of such stages' kernels (docs/performance.md). They
are the product of the output's gradient with the input's patches, and few positions make few
patches. Under autocast such stages learn in float32, for torch's gradients are no numbers there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.grad import conv3d_input
from torch.overrides import TorchFunctionMode

from crossbench.data.transforms.gray import find_gray
from crossbench.training.taps import cut_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

#: Output voxels a sample up to which patches are the faster way.
FEW = 8


class QuickConvolutions(TorchFunctionMode):
    """A context for a forward pass, in which convolutions of gray batches and small maps are quick.

    Every ``torch.conv2d`` and ``torch.conv3d`` is reached, whoever calls it, but for those that
    ``torch.utils.checkpoint`` makes anew in the backward pass, outside this context. Outputs and
    gradients are torch's up to rounding; where no tap meets padding alone and the input is no
    gray batch, outputs and the gradients of inputs are torch's bit for bit.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        quick = (func is torch.conv2d or func is torch.conv3d) and not _hooked()
        return _convolve(func, *args, **(kwargs or {})) if quick else func(*args, **(kwargs or {}))


def _hooked() -> bool:
    """Whether what is kept for the backward pass is packed, as by ``torch.utils.checkpoint``."""
    return torch._C._autograd._top_saved_tensors_default_hooks(True) is not None  # noqa: SLF001


def _convolve(
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002  (torch's own signature)
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.conv2d`` or ``torch.conv3d``; see there.

    Of a gray batch the first channel alone is convolved. The constants by which the others differ
    are convolved apart, one sample for all, as padding makes a map of them.
    """
    geometry = (stride, padding, dilation, groups)
    gray = find_gray(input)
    plain = input.dim() == weight.dim() and input.shape[1] == weight.shape[1]
    if gray is None or not plain or input.device.type != "cpu":
        return _cut_and_convolve(func, input, weight, bias, *geometry)
    kernel = _over_channels(weight, gray.scale)
    output = _cut_and_convolve(func, input[:, :1].contiguous(), kernel, bias, *geometry)
    if any(gray.offset):
        ones, kernel = input.new_ones(1, 1, *input.shape[2:]), _over_channels(weight, gray.offset)
        output.add_(_cut_and_convolve(func, ones, kernel, None, *geometry))
    return output


def _over_channels(weight: Tensor, factors: Sequence[float]) -> Tensor:
    """The sum of a kernel over its input channels, each by its factor: (C_out, 1, *kernel)."""
    return (weight * weight.new_tensor(factors).view(-1, *[1] * (weight.dim() - 2))).sum(
        1, keepdim=True
    )


def _cut_and_convolve(
    func: Callable[..., Tensor],
    input: Tensor,  # noqa: A002
    weight: Tensor,
    bias: Tensor | None,
    stride: int | Sequence[int],
    padding: int | Sequence[int] | str,
    dilation: int | Sequence[int],
    groups: int,
) -> Tensor:
    """A convolution without the taps that meet padding alone."""
    dims = weight.dim() - 2
    steps, gaps = _each(stride, dims), _each(dilation, dims)
    if isinstance(padding, str) or input.dim() != weight.dim() or 0 in steps:
        return func(input, weight, bias, stride, padding, dilation, groups)
    if _cast(input, weight) and _voxels(input, weight, steps, _each(padding, dims), gaps) <= FEW:
        wide = (None if each is None else each.float() for each in (input, weight, bias))
        with torch.autocast("cpu", enabled=False):
            answer = _convolve(func, *wide, steps, padding, gaps, groups)  # type: ignore[arg-type, call-arg]
        return answer.to(torch.get_autocast_dtype("cpu"))
    weight, rims = cut_kernel(input, weight, steps, _each(padding, dims), gaps)
    plain = bias is None and groups == 1 and gaps == (1, 1, 1)
    if plain and _learns(input, weight) and 0 < _voxels(input, weight, steps, rims, gaps) <= FEW:
        output: Tensor = _Conv3d.apply(input, weight, steps, rims)
        return output
    return func(input, weight, bias, steps, rims, gaps, groups)


def _cast(x: Tensor, weight: Tensor) -> bool:
    """Whether a kernel's gradient is wanted under autocast on the CPU.

    Where outputs are of few voxels, what torch 2.15 with oneDNN makes of it holds memory that was
    never written: numbers of any size, and NaN.
    """
    learns = torch.is_grad_enabled() and weight.requires_grad
    return learns and x.device.type == "cpu" and torch.is_autocast_enabled("cpu")


def _learns(x: Tensor, weight: Tensor) -> bool:
    """Whether a kernel's gradient is wanted where patches are the faster way to it."""
    cast = torch.is_autocast_enabled(x.device.type)
    return torch.is_grad_enabled() and weight.requires_grad and x.device.type == "cpu" and not cast


def _each(value: int | Sequence[int], dims: int) -> tuple[int, ...]:
    return (value,) * dims if isinstance(value, int) else tuple(value) * (dims // len(value))


def _voxels(
    x: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> int:
    """Output voxels a sample."""
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    return math.prod(
        (size + 2 * rim - gap * (kernel - 1) - 1) // step + 1
        for size, kernel, step, rim, gap in sides
    )


class _Conv3d(torch.autograd.Function):
    """A plain 3D convolution that makes its kernel's gradient of patches."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int]) -> Tensor:
        return torch.conv3d(x, weight, None, stride, padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:  # noqa: ARG004
        x, weight, ctx.stride, ctx.padding = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = of_weight = None
        if ctx.needs_input_grad[0]:
            of_x = conv3d_input(x.shape, weight, grad, ctx.stride, ctx.padding)  # type: ignore[no-untyped-call]
        if ctx.needs_input_grad[1]:
            patches = _patches(x, weight.shape[2:], ctx.stride, ctx.padding)
            of_weight = (grad.transpose(0, 1).flatten(1) @ patches).view_as(weight)
        return of_x, of_weight, None, None


def _patches(
    x: Tensor, kernel: Sequence[int], stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """What each output voxel sees: (B D' H' W', C k_d k_h k_w) of (B, C, D, H, W)."""
    x = torch.nn.functional.pad(x, [rim for rim in reversed(padding) for _ in range(2)])
    for axis in range(3):
        x = x.unfold(axis + 2, kernel[axis], stride[axis])
    return x.permute(0, 2, 3, 4, 1, 5, 6, 7).flatten(0, 3).flatten(1)
