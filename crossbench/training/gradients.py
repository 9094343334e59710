"""Kernel gradients of 3D convolutions that leave a few voxels, by a matrix product.

A volume of 28 voxels a side is one voxel in the last stage of a ResNet. On the CPU torch then
spends nearly half of a training step on the gradients of the last stages' kernels
(docs/performance.md). They are the product of the output's gradient with the input's patches,
and few positions make few patches.
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.grad import conv3d_input
from torch.overrides import TorchFunctionMode

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor

#: Output voxels a sample up to which patches are the faster way.
FEW = 8


def fast_gradients(inputs: Tensor, precision: str) -> AbstractContextManager[Any]:
    """A context for a forward pass whose kernel gradients are made the faster way.

    Args:
        inputs: What the network is fed; only volumes (B, C, D, H, W) on the CPU gain.
        precision: ``float32`` or ``bfloat16``, which is left to torch.

    Returns:
        A context in which outputs and the gradients of inputs are torch's bit for bit, and those
        of kernels its own up to rounding.
    """
    gains = inputs.dim() == 5 and inputs.device.type == "cpu" and precision == "float32"
    return _FastGradients() if gains else nullcontext()


class _FastGradients(TorchFunctionMode):
    """Sends every ``torch.conv3d``, whoever calls it, through :func:`_conv3d`."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        return (_conv3d if func is torch.conv3d else func)(*args, **(kwargs or {}))


def _conv3d(
    input: Tensor,  # noqa: A002  (torch's own signature)
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | Sequence[int] | str = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """``torch.conv3d``; see there."""
    learns = torch.is_grad_enabled() and weight.requires_grad
    plain = bias is None and groups == 1 and _triple(dilation) == (1, 1, 1)
    if learns and plain and input.dim() == 5 and not isinstance(padding, str):
        steps, rims = _triple(stride), _triple(padding)
        if 0 < _voxels(input, weight, steps, rims) <= FEW:
            output: Tensor = _Conv3d.apply(input, weight, steps, rims)
            return output
    return torch.conv3d(input, weight, bias, stride, padding, dilation, groups)


def _triple(value: int | Sequence[int]) -> tuple[int, ...]:
    return (value,) * 3 if isinstance(value, int) else tuple(value) * (3 // len(value))


def _voxels(x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int]) -> int:
    """Output voxels a sample."""
    sides = zip(x.shape[2:], weight.shape[2:], stride, padding, strict=True)
    return math.prod((size + 2 * rim - kernel) // step + 1 for size, kernel, step, rim in sides)


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
