"""Run a 2D network over functional connectivity as an image of one channel.

The order of the regions, which a convolution takes for a neighbourhood, is the atlas's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench_baselines._recordings import ConnectivityNetwork

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest


class FcCnn:
    """Builds the backbone over connectivity."""

    name = "fc-cnn"
    inputs = ("recording",)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for recordings.

        Raises:
            ConversionError: If the task lacks a view that it reads.
            WeightsError: If the weights are of something else.
        """
        return ConnectivityNetwork(request)
