"""Sound: a whole network, the 2D one over the slices of a volume."""

from __future__ import annotations

from torch import nn


class Slices(nn.Module):
    """The mean over slices of what a 2D network answers."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def get_classifier(self):
        """The linear head."""
        return self.network.get_classifier()

    def forward(self, volumes):
        """Map (B, C, D, H, W) to (B, K)."""
        slices = volumes.transpose(1, 2).flatten(0, 1)
        return self.network(slices).view(len(volumes), volumes.shape[2], -1).mean(dim=1)


class SliceMethod:
    """Builds networks of its own."""

    name = "slices"
    inputs = ("volume",)

    def build(self, request):
        """The network."""
        return Slices(request.image_network(request.num_classes))


method = SliceMethod()
