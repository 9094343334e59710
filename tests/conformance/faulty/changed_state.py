"""It sets the number of threads in a forward pass."""

from __future__ import annotations

import torch
from sound import Layer, Sound


class Faulty(Layer):
    def forward(self, x):
        torch.set_num_threads(2)
        return super().forward(x)


class ChangedState(Sound):
    name = "changed-state"
    layer = Faulty


method = ChangedState()
