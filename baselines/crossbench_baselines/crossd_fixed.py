"""Cross-D Conv without the predicted shift: every sample gets the same 2D kernel.

An ablation of ``crossd``. The angle is 0 throughout, so the shift is (1, 1, 1) and the 2D kernel
is slice ``K // 2 - 1`` of the 3D kernel U, rolled by one in the plane: a plain convolution, from
which no other slice of U learns. What is gone is the network that chooses a shift for each
sample. In 3D it is ``crossd``: ``Conv3d(U)``. Checkpoints of either method fit the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.nn import functional

from crossbench.methods import cube
from crossbench_baselines._volumetric import plain_conv
from crossbench_baselines.crossd import CrossD, CrossDConv2d
from crossbench_baselines.crossd_functional import margins

if TYPE_CHECKING:
    from torch import Tensor, nn


class CrossDFixed(CrossD):
    """``CrossDFixedConv2d`` in 2D, and ``nn.Conv3d`` with its 3D kernels in 3D."""

    name = "crossd-fixed"

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """A CrossDFixedConv2d of the same geometry, with fresh weights and the bias of ``conv``.

        Raises:
            ConversionError: If the kernel is not square, or ``conv`` is no plain Conv2d.
        """
        conv = plain_conv(conv)
        cube("kernel_size", conv.kernel_size)
        layer = CrossDFixedConv2d(
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


class CrossDFixedConv2d(CrossDConv2d):
    """A ``CrossDConv2d`` whose rotation network is carried and never evaluated.

    That network's tensors are buffers here: a checkpoint of ``crossd`` fits key by key, and
    nothing of them counts or trains as a parameter.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for module in self.rotation_params:
            for name, parameter in list(module.named_parameters()):
                delattr(module, name)
                module.register_buffer(name, parameter.detach())

    def axis_angle(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """No axis and no angle, whatever the input.

        Args:
            x: (B, C_in, H, W).

        Returns:
            Zeros (B, 3) and (B, 1).
        """
        return x.new_zeros(len(x), 3), x.new_zeros(len(x), 1)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve every sample with the 2D kernel of angle 0.

        Args:
            x: (B, C_in, H, W).

        Returns:
            (B, C_out, H', W'), shaped as by ``nn.Conv2d``.
        """
        size, padded, padding = self.kernel_size[0], x, self.padding
        if self.padding_mode != "zeros":
            sides = margins(padding, size, self.dilation)
            padded, padding = functional.pad(x, sides, mode=self.padding_mode), (0, 0)
        kernel = self.weights_3d[:, :, size // 2 - 1].roll((1, 1), dims=(2, 3))
        geometry = (self.stride, padding, self.dilation, self.groups)
        return functional.conv2d(padded, kernel, self.bias, *geometry)  # type: ignore[arg-type]
