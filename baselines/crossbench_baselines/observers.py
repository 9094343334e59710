"""Per-layer diagnostics of Cross-D: angles, shifts and shifted kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from crossbench_baselines.crossd import CrossDConv2d
from crossbench_baselines.crossd_functional import axis_shifts, shifted_kernels

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

_CHANNELS = 4  # output channels whose kernels are drawn


class CrossDObserver:
    """Angles, shifts and kernels of ``CrossDConv2d``, wherever a 2D network has it."""

    layer = CrossDConv2d

    def measure(self, layer: CrossDConv2d, inputs: Tensor) -> Mapping[str, Tensor]:
        """The predicted angle and the shift it amounts to, for each sample.

        Returns:
            ``angle`` (B,) in radians and ``shift`` (B, 3) in voxels along the first, second
            and third kernel axis.
        """
        axis, angle = layer.axis_angle(inputs)
        return {"angle": angle[:, 0], "shift": axis_shifts(axis, angle)}

    def picture(self, layer: CrossDConv2d, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Kernels of the first output channels C and the first input channel.

        Returns:
            ``kernel_middle`` (C, K, K), the middle slice of the 3D kernel; ``kernel_unturned``
            (C, K, K), what the layer uses at angle 0; ``kernel_shifted`` (S, C, K, K), what it
            uses for each sample. None of them where K = 1, which no shift changes.
        """
        size = layer.kernel_size[0]
        if size == 1:
            return {}
        kernel = layer.weights_3d[:_CHANNELS, :1]
        shift = measured["shift"].to(kernel.device)
        return {
            "kernel_middle": kernel[:, 0, size // 2],
            "kernel_unturned": shifted_kernels(kernel, torch.ones_like(shift[:1]))[0, :, 0],
            "kernel_shifted": shifted_kernels(kernel, shift)[:, :, 0],
        }
