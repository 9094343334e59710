"""A linear layer on the mean and the variance of each region's connectivity.

The least that can be asked of a recording: how much a region goes along with the others, and how
unequally.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from crossbench.errors import ConversionError

if TYPE_CHECKING:
    from crossbench.methods import NetworkRequest


class RegionMoments:
    """Builds the layer; no backbone and no 2D weights have a part in it."""

    name = "region-moments"
    inputs = ("recording",)
    image_weights = False

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for (B, 1, R, columns) recordings.

        Raises:
            ConversionError: If the task's recordings have no connectivity.
        """
        views = request.facts["views"]
        if "connectivity" not in views:
            raise ConversionError("it reads the connectivity of recordings, which this task lacks")
        return _Moments(request.shape[0], views["connectivity"], request.num_classes)


class _Moments(nn.Module):
    def __init__(self, regions: int, columns: tuple[int, int], num_classes: int) -> None:
        super().__init__()
        self.columns = slice(*columns)
        self.head = nn.Linear(2 * regions, num_classes) if num_classes else nn.Identity()

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        return self.head

    def forward(self, recordings: Tensor) -> Tensor:
        """(B, num_classes), or (B, 2R)."""
        edges = recordings[:, 0, :, self.columns]
        return self.head(torch.cat([edges.mean(dim=2), edges.var(dim=2)], dim=1))
