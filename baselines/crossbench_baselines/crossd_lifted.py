"""Cross-D Conv made from plain 2D weights: at first its 2D network is the plain one.

At angle 0 the 2D kernel of ``crossd`` is slice ``K // 2 - 1`` of the 3D kernel U, rolled by one in
the plane. So a 2D kernel w is put into that slice, rolled back, with zeros elsewhere, and the
rotation network starts with an angle of 0 whatever the input: outputs are those of the plain
convolution, to rounding. From there U and the rotation network learn as in ``crossd``. The axis is
left as drawn: where it is 0 too, all gradients of the rotation network are.

The 3D layer is that of ``crossd-aligned``, ``Conv3d(roll(U, (1, 1, 1)))``. Of weights that were
lifted and not trained since, it holds w in its middle slice and zeros elsewhere: a network that
looks at each slice alone, and mixes slices only as pooling and training make it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
from torch import nn

from crossbench.errors import ConversionError
from crossbench.methods import cube
from crossbench_baselines.crossd_aligned import CrossDAligned

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench_baselines.crossd import CrossDConv2d


class CrossDLifted(CrossDAligned):
    """A ``CrossDConv2d`` that holds a plain 2D kernel, and ``crossd-aligned``'s ``nn.Conv3d``."""

    name = "crossd-lifted"
    dims = (2, 3)  # type: ignore[assignment]  # as of ``crossd``
    lifts = True

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The CrossDConv2d that computes what ``conv`` does.

        Raises:
            ConversionError: If the kernel is not square or of even size, or ``conv`` is no plain
                Conv2d.
        """
        layer = cast("CrossDConv2d", super().layer_2d(conv))
        size = cube("kernel_size", conv.kernel_size)
        if size % 2 == 0:
            msg = (
                f"kernel_size {size} is even: its 2D kernels have no exact form as a slice of a 3D "
                "kernel; crossd takes it, with weights of its own"
            )
            raise ConversionError(msg)
        _lift(layer, conv.weight)
        return layer


@torch.no_grad()
def _lift(layer: CrossDConv2d, weight: Tensor) -> None:
    """Have a layer of odd size K compute with a 2D kernel (C_out, C_in / groups, K, K)."""
    layer.weights_3d.zero_()
    layer.weights_3d[:, :, layer.kernel_size[0] // 2 - 1] = weight.roll((-1, -1), dims=(2, 3))
    last = cast("nn.Conv2d", layer.rotation_params[3])
    last.weight[3].zero_()
    cast("Tensor", last.bias)[3].zero_()
