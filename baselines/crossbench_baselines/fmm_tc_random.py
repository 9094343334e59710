"""Fuse as `fmm-tc` does, with an encoder of drawn weights: what pretraining is worth.

Of the weights that a run starts from it takes the sizes alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench_baselines._recordings import Fused
from crossbench_baselines.fmm_tc import FmmTc

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import NetworkRequest


class FmmTcRandom(FmmTc):
    """Builds the network of `fmm-tc` and draws its encoder."""

    name = "fmm-tc-random"

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for recordings; raises as that of `fmm-tc`."""
        return Fused(request, with_connectivity=True, drawn=True)
