"""It goes on counting in eval mode."""

from __future__ import annotations

import torch
from sound import Layer, Sound


class Faulty(Layer):
    def __init__(self, *args):
        super().__init__(*args)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x):
        self.seen += 1
        return super().forward(x)


class BatchStatistics(Sound):
    name = "batch-statistics"
    layer = Faulty


method = BatchStatistics()
