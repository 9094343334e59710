"""From stored samples to network inputs, one input kind's transforms a module."""

from __future__ import annotations

from crossbench.data.transforms.batch import STATISTICS, BatchTransform, RandomSource

__all__ = ["STATISTICS", "BatchTransform", "RandomSource"]
