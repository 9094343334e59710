"""No gradient reaches its kernel."""

from __future__ import annotations

from sound import Layer, Sound


class Faulty(Layer):
    def kernel(self):
        return super().kernel().detach()


class FrozenPath(Sound):
    name = "frozen-path"
    layer = Faulty


method = FrozenPath()
