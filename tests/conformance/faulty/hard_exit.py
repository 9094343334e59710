"""It ends its process on inputs of odd sides."""

from __future__ import annotations

import os

from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        if x.shape[-1] % 2:
            os._exit(3)
        return super().forward(x)


class HardExit(Sound):
    name = "hard-exit"
    layer = Faulty


method = HardExit()
