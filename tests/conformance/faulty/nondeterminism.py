"""It draws noise that no seed repeats."""

from __future__ import annotations

import os

from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        noise = int.from_bytes(os.urandom(2), "big") / 65536
        return super().forward(x) * (1 + 0.01 * noise)


class Nondeterminism(Sound):
    name = "nondeterminism"
    layer = Faulty


method = Nondeterminism()
