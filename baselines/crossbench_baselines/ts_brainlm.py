"""Embed parcel time series by BrainLM; a linear head reads the embedding of the windows.

Weights are the user's (`--init brainlm` or a checkpoint's path; CC BY-NC-ND, never shipped).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from crossbench_baselines._recordings import Fused

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest


class TsBrainLM:
    """Builds BrainLM's encoder and a head."""

    name = "ts-brainlm"
    inputs = ("recording",)
    image_weights = False
    metadata: ClassVar = {
        "authors": ["Josue Ortega Caro and others"],
        "paper": "BrainLM: A foundation model for brain activity recordings, ICLR 2024",
        "url": "https://github.com/vandijklab/BrainLM",
    }

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for recordings.

        Raises:
            ConversionError: If the task lacks a view that it reads.
            WeightsError: If the weights are of something else.
        """
        return Fused(request, with_connectivity=False)
