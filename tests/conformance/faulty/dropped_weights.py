"""Its 3D layers forget the bias of the 2D ones."""

from __future__ import annotations

import torch
from sound import Layer, Sound
from torch import nn


class Faulty(Layer):
    pass


class DroppedWeights(Sound):
    name = "dropped-weights"
    layer = Faulty

    def layer_3d(self, layer):
        made = super().layer_3d(layer)
        made.bias = None if layer.bias is None else nn.Parameter(torch.zeros_like(layer.bias))
        return made


method = DroppedWeights()
