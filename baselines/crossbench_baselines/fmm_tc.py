"""Fuse BrainLM's embedding of time series with a 2D network over connectivity.

Under protocol `frozen-fusion` the encoder stays as it is and the rest learns, as in FMM_TC. The
two embeddings stand side by side before a linear head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from crossbench_baselines._recordings import Fused

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest


class FmmTc:
    """Builds the encoder, the network of connectivity and a head."""

    name = "fmm-tc"
    inputs = ("recording",)
    image_weights = False
    metadata: ClassVar = {
        "authors": ["Shef-AIRE (FMM_TC)"],
        "paper": "arXiv 2503.00210",
        "url": "https://github.com/Shef-AIRE/FMM_TC",
    }

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for recordings.

        Raises:
            ConversionError: If the task lacks a view that it reads.
            WeightsError: If the weights are of something else.
        """
        return Fused(request, with_connectivity=True)
