"""A small 1D network: two convolutions over time and the mean of what they find."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from crossbench.methods import NetworkRequest


class SignalEncoder:
    """Builds a network of its own; no backbone and no 2D weights have a part in it."""

    name = "signal-encoder"
    inputs = ("signal",)
    image_weights = False

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network for (B, 1, T) signals."""
        return _Encoder(request.num_classes)


class _Encoder(nn.Module):
    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 8, 7, padding=3),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Conv1d(8, 16, 7, stride=2, padding=3),
            nn.BatchNorm1d(16),
            nn.ReLU(),
        )
        self.head = nn.Linear(16, num_classes) if num_classes else nn.Identity()

    def get_classifier(self) -> nn.Module:
        """The linear head."""
        return self.head

    def forward(self, signals: Tensor) -> Tensor:
        """(B, num_classes), or (B, 16)."""
        return self.head(self.layers(signals).mean(dim=2))
