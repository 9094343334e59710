"""Run the 2D network over a volume's slices; average their features before the head.

No convolution is converted, so any 2D weights of the backbone serve as they are. Each slice along
the depth passes through the 2D network alone; only the mean over slices links them (the "2.5D" of
the literature, without attention).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.methods import NetworkRequest


class Slices2d:
    """Builds a :class:`SliceNetwork` of the backbone for volumes."""

    name = "slices-2d"
    inputs = ("volume",)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network over slices; images have none."""
        return SliceNetwork(request.image_network(request.num_classes))


class SliceNetwork(nn.Module):
    """A 2D network of timm for volumes.

    Attributes:
        image_network: The 2D network, its linear head included.
    """

    def __init__(self, image_network: Any) -> None:
        super().__init__()
        self.image_network = image_network

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        head: nn.Module = self.image_network.get_classifier()
        return head

    def forward(self, volumes: Tensor) -> Tensor:
        """Map (B, C, D, H, W) to (B, K), or to features (B, F) where there is no head."""
        batch, _, depth, *_ = volumes.shape
        maps = self.image_network.forward_features(volumes.transpose(1, 2).flatten(0, 1))
        features = self.image_network.forward_head(maps, pre_logits=True)
        answers: Tensor = self.get_classifier()(features.view(batch, depth, -1).mean(dim=1))
        return answers
