"""Max pooling of volumes at the speed of the machine's memory."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class MaxPool3d(nn.MaxPool3d):
    """``nn.MaxPool3d``, computed axis by axis where no gradient is wanted.

    PyTorch's CPU kernel walks every window and notes where its maximum lay; on the pooling
    of a ResNet stem that costs more than a residual block. A maximum over a box is the maximum
    of maxima over its axes, so slices can be compared whole instead. The values are the same to
    the bit.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - nn.MaxPool3d's own name
        """Map (B, C, D, H, W) to (B, C, D', H', W')."""
        learning = torch.is_grad_enabled() and input.requires_grad
        simple = self.dilation in {1, (1, 1, 1)} and not (self.ceil_mode or self.return_indices)
        if learning or input.is_cuda or not simple:
            pooled: Tensor = super().forward(input)
            return pooled
        for axis in (2, 3, 4):
            input = self._pool_axis(input, axis)  # noqa: A001
        return input

    def _pool_axis(self, x: Tensor, axis: int) -> Tensor:
        """Maxima of windows along one axis."""
        size, stride, padding = (
            value if isinstance(value, int) else value[axis - 2]
            for value in (self.kernel_size, self.stride, self.padding)
        )
        margins = [0, 0] * (x.dim() - 1 - axis) + [padding, padding]
        x = functional.pad(x, margins, value=-torch.inf)
        last = (x.shape[axis] - size) // stride * stride
        pooled = _every(x, axis, 0, last, stride)
        for offset in range(1, size):
            pooled = torch.maximum(pooled, _every(x, axis, offset, last, stride))
        return pooled


def _every(x: Tensor, axis: int, start: int, length: int, stride: int) -> Tensor:
    """Every ``stride``-th slice from ``start`` to ``start + length``."""
    index = [slice(None)] * x.dim()
    index[axis] = slice(start, start + length + 1, stride)
    return x[tuple(index)]
