"""A sound method to plant faults in: inflation of 2D kernels, by one layer class for both forms."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Layer(nn.Module):
    """A convolution in 2D or 3D with the kernel of a 2D one, repeated in depth."""

    def __init__(
        self, weight: Tensor, bias: Tensor | None, geometry: tuple[int, ...], dims: int
    ) -> None:
        super().__init__()
        self.weight, self.bias, self.geometry, self.dims = weight, bias, geometry, dims

    def kernel(self) -> Tensor:
        """The 2D kernel, or the 3D one made of it."""
        size = self.weight.shape[-1]
        volume = self.weight.unsqueeze(2).expand(-1, -1, size, -1, -1) / size
        return self.weight if self.dims == 2 else volume

    def forward(self, x: Tensor) -> Tensor:
        """What the convolution answers."""
        function = torch.conv2d if self.dims == 2 else torch.conv3d
        return function(x, self.kernel(), self.bias, *self.geometry)


class Sound:
    """Inflation of 2D kernels."""

    name = "sound"
    dims = (2, 3)
    layer = Layer

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The layer in 2D."""
        geometry = (conv.stride[0], conv.padding[0], conv.dilation[0], conv.groups)
        return self.layer(conv.weight, conv.bias, geometry, 2).train(conv.training)

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The layer in 3D, with the same kernel."""
        made = self.layer(layer.weight, layer.bias, layer.geometry, 3)
        return made.train(layer.training)


method = Sound()
