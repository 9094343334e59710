"""It subtracts the mean over the batch, in eval mode too."""

from __future__ import annotations

from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        return super().forward(x - x.mean(dim=0, keepdim=True))


class BatchLeakage(Sound):
    name = "batch-leakage"
    layer = Faulty


method = BatchLeakage()
