"""Drawn values, and whether they are distributed as they should be."""

from __future__ import annotations

import torch
from scipy.stats import kstest


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def is_uniform(values: torch.Tensor, low: float, high: float) -> bool:
    inside = bool(((values >= low) & (values <= high)).all())
    return inside and kstest(values.numpy(), "uniform", (low, high - low)).pvalue > 1e-3


def is_half(flags: torch.Tensor) -> bool:
    return abs(float(flags.double().mean()) - 0.5) < 4 * 0.5 / len(flags) ** 0.5
