"""Plain 2D convolution: the baseline of every 2D task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import ConversionError

if TYPE_CHECKING:
    from torch import nn


class Conv2d:
    """The backbone as it is."""

    name = "conv2d"
    dims = (2,)

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The convolution itself."""
        return conv

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """Nothing: see ``conv3d`` and ``acs`` for 3D forms of the same weights.

        Raises:
            ConversionError: Always.
        """
        msg = f"method conv2d has no 3D form for {type(layer).__name__}; use conv3d or acs"
        raise ConversionError(msg)
