"""Cross-D Conv with a 3D transfer that agrees with the 2D kernels trained.

In 2D this is ``crossd``, whose kernels at angle 0 are the middle slices of ``roll(U, (1, 1, 1))``
and not of U itself: the paper's transfer ``Conv3d(U)`` lies one voxel off along each axis. Here
the 3D network gets ``Conv3d(roll(U, (1, 1, 1)))``, so that a 3D layer answers a single slice as
the 2D layer did. On weights drawn at random a roll changes nothing but the draw.
"""

from __future__ import annotations

from torch import nn

from crossbench_baselines.crossd import CrossD


class CrossDAligned(CrossD):
    """``crossd`` in 2D, and ``nn.Conv3d`` with its 3D kernels rolled by one voxel in 3D."""

    name = "crossd-aligned"
    dims = (3,)  # type: ignore[assignment]  # on 2D tasks it would be crossd again

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The Conv3d whose middle slice is the layer's 2D kernel at angle 0.

        Raises:
            ConversionError: If ``layer`` is no CrossDConv2d, or its geometry differs
                between the axes.
        """
        conv = super().layer_3d(layer)
        kernel = conv.get_parameter("weight")
        rolled = kernel.detach().roll((1, 1, 1), dims=(2, 3, 4))
        conv.weight = nn.Parameter(rolled, requires_grad=kernel.requires_grad)
        return conv
