"""It declares that its 2D layers carry the convolution's weights, and draws their own."""

from __future__ import annotations

import torch
from sound import Layer, Sound


class Faulty(Layer):
    pass


class FreshWeights(Sound):
    name = "fresh-weights"
    layer = Faulty
    lifts = True

    def layer_2d(self, conv):
        torch.nn.init.normal_(conv.weight)
        return super().layer_2d(conv)


method = FreshWeights()
