"""It keeps the 3D kernel it was built with, whatever is loaded later."""

from __future__ import annotations

from sound import Layer, Sound


class Faulty(Layer):
    def __init__(self, *args):
        super().__init__(*args)
        self.kept = super().kernel().detach().clone()

    def kernel(self):
        return self.kept.to(self.weight) + 0 * super().kernel()


class StaleKernel(Sound):
    name = "stale-kernel"
    layer = Faulty


method = StaleKernel()
