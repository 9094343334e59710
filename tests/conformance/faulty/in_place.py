"""It halves its input in place."""

from __future__ import annotations

import torch
from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        with torch.no_grad():
            x.mul_(0.5)
        return super().forward(x)


class InPlace(Sound):
    name = "in-place"
    layer = Faulty


method = InPlace()
