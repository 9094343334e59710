"""Each 2D kernel applied to every slice, with no link between the slices.

What a method must beat to show that it sees the third dimension at all.
"""

from __future__ import annotations

from torch import nn

from crossbench.errors import ConversionError
from crossbench.methods import cube


class Slicewise:
    """Plain 2D convolutions that stay flat in 3D."""

    name = "slicewise"
    dims = (3,)

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """A Conv3d whose (O, I/g, 1, H, W) kernel is the layer's; its stride holds for depth too.

        Raises:
            ConversionError: If the layer is no Conv2d, or pads by name.
        """
        if not isinstance(layer, nn.Conv2d) or isinstance(layer.padding, str):
            raise ConversionError(f"slicewise: {layer} has no 3D form")
        flat = nn.Conv3d(
            layer.in_channels,
            layer.out_channels,
            (1, *layer.kernel_size),
            stride=cube("stride", layer.stride),
            padding=(0, *layer.padding),
            dilation=(1, *layer.dilation),
            groups=layer.groups,
            bias=layer.bias is not None,
            padding_mode=layer.padding_mode,
            device=layer.weight.device,
            dtype=layer.weight.dtype,
        )
        state = layer.state_dict()
        flat.load_state_dict(state | {"weight": state["weight"].unsqueeze(2)})
        return flat
