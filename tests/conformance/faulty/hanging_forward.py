"""It never comes back from a forward pass."""

from __future__ import annotations

import time

from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        while True:
            time.sleep(0.01)


class HangingForward(Sound):
    name = "hanging-forward"
    layer = Faulty


method = HangingForward()
