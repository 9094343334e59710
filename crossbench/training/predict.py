"""From a fitted network to logits and log-probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from crossbench.environment.arithmetic import autocast
from crossbench.environment.spans import span
from crossbench.evaluation.probabilities import log_softmax
from crossbench.training.convolutions import QuickConvolutions

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from crossbench.evaluation.probabilities import LogProbabilities
    from crossbench.training.loader import BatchLoader


@torch.no_grad()
def predict(
    model: nn.Module,
    loader: BatchLoader,
    *,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> torch.Tensor:
    """Logits of every sample of a loader, in the loader's order.

    Returns:
        (n, K) float32 tensor on the CPU. The model is left in evaluation mode.
    """
    model.eval()
    logits = []
    for inputs, labels in loader.ordered():
        quick = QuickConvolutions()
        with span("evaluate", fine=True), autocast(loader.device, precision), quick:
            logits.append(model(inputs).float())
        on_samples(len(labels))
    return torch.cat(logits).cpu()


def log_probabilities(logits: torch.Tensor) -> LogProbabilities:
    """(n, K) float64 natural log-probabilities from (n, K) logits on the CPU."""
    return log_softmax(logits.numpy())
