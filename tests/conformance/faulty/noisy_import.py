"""It changes the default dtype when it is imported."""

from __future__ import annotations

import torch
from sound import Layer, Sound


class Faulty(Layer):
    pass


torch.set_default_dtype(torch.float64)


class NoisyImport(Sound):
    name = "noisy-import"
    layer = Faulty


method = NoisyImport()
