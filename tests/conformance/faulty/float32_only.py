"""It casts whatever comes to float32."""

from __future__ import annotations

import torch
from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        return torch.zeros(1) + super().forward(x).float()


class Float32Only(Sound):
    name = "float32-only"
    layer = Faulty


method = Float32Only()
