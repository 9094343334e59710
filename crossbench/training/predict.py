"""From a fitted network to logits and probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from crossbench.training.environment import autocast

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray
    from torch import nn

    from crossbench.training.feed import Feed


@torch.no_grad()
def predict(
    model: nn.Module,
    feed: Feed,
    *,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> torch.Tensor:
    """Logits of every sample of a feed, in the feed's order.

    Returns:
        (n, K) float32 tensor on the CPU. The model is left in evaluation mode.
    """
    model.eval()
    logits = []
    for inputs, labels in feed.ordered():
        with autocast(feed.device, precision):
            logits.append(model(inputs).float())
        on_samples(len(labels))
    return torch.cat(logits).cpu()


def probabilities(logits: torch.Tensor) -> NDArray[np.float64]:
    """(n, K) float64 class probabilities, rows summing to one, from (n, K) logits."""
    softmax: NDArray[Any] = torch.softmax(logits.double(), dim=1).numpy()
    return softmax
