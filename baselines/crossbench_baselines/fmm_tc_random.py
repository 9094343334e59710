"""Fuse as `fmm-tc` does, with an encoder of drawn weights: what pretraining is worth.

Of the weights that a run starts from it takes the sizes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from crossbench_baselines._recordings import Fused

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest


class FmmTcRandom:
    """Builds the network of `fmm-tc` and draws its encoder."""

    name = "fmm-tc-random"
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
        return Fused(request, with_connectivity=True, drawn=True)
