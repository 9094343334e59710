"""Multiply-adds of networks, counted rather than timed."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.flop_counter import FlopCounterMode, flop_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn


def multiply_adds(model: nn.Module, input_shape: Sequence[int]) -> int:
    """Multiply-adds of one sample's forward pass in eval mode.

    Args:
        model: A network or layer; modes and statistics are left as they were.
        input_shape: (C, H, W) or (C, D, H, W), one sample without its batch axis.

    Returns:
        The number for the whole model at batch size 1.
    """
    tensors = itertools.chain(model.parameters(), model.buffers())
    first = next(tensors, torch.empty(0))  # features may be plain functions of the input
    sample = torch.zeros(1, *input_shape, device=first.device, dtype=first.dtype)
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad():
            return count_multiply_adds(lambda: model(sample))
    finally:
        for module, training in modes.items():
            module.training = training


def count_multiply_adds(call: Callable[[], object]) -> int:
    """Multiply-adds of what a call does, backward passes included.

    Convolutions and matrix products are counted, by torch's flop counter, which counts two
    operations for each; what works element by element is not.
    """
    with FlopCounterMode(display=False, custom_mapping=_CORRECTED) as counter:
        call()
    return int(counter.get_total_flops()) // 2


def _convolution_backward(*arguments: Any, out_shape: Any) -> int:
    """Operations of a convolution's backward pass.

    torch's formula counts the gradient of the weights as if there were one group.
    """
    *others, groups, (of_input, of_weight, _) = arguments
    count = flop_registry[torch.ops.aten.convolution_backward]
    inputs = count(*others, groups, [of_input, False, False], out_val=out_shape)
    weights = count(*others, groups, [False, of_weight, False], out_val=out_shape)
    return int(inputs + weights // groups)


_CORRECTED = {torch.ops.aten.convolution_backward: _convolution_backward}
