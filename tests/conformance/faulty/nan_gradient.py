"""It divides by a norm whose gradient at 0 is not a number."""

from __future__ import annotations

from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        y = super().forward(x)
        norm = y.square().sum(dim=1, keepdim=True).sqrt()
        return y / (norm + 1e-6) + x.sum() * 0


class NanGradient(Sound):
    name = "nan-gradient"
    layer = Faulty


method = NanGradient()
