"""What a network costs, counted rather than timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn


def multiply_adds(model: nn.Module, input_shape: Sequence[int]) -> int:
    """Multiply-adds of one sample's forward pass in eval mode.

    Convolutions and matrix products are counted, as by torch's flop counter, which counts two
    operations for each; what works element by element is not.

    Args:
        model: A network or layer; modes and statistics are left as they were.
        input_shape: (C, H, W) or (C, D, H, W), one sample without its batch axis.

    Returns:
        The number for the whole model at batch size 1.
    """
    first = next(model.parameters())
    sample = torch.zeros(1, *input_shape, device=first.device, dtype=first.dtype)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(sample)
    finally:
        for module, training in modes.items():
            module.training = training
    return int(counter.get_total_flops()) // 2
