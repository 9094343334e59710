"""Reset tensors that a preset does not carry from 2D."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import torch

from crossbench.errors import ConversionError, RequestError
from crossbench.nets.weights.stored import few

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from torch import Tensor, nn


def reinitialise(network: nn.Module, parts: Collection[str]) -> None:
    """Reset the tensors whose names contain one of ``parts`` by their modules' rule.

    Raises:
        RequestError: If a part is in no tensor's name.
        ConversionError: If a module has no rule (``reset_parameters``).
    """
    names = list(network.state_dict())
    for part in parts:
        if not any(part in name for name in names):
            msg = f"drop_keys has {part!r}, which is in no tensor's name ({few(names)})"
            raise RequestError(msg)
    for path, module in network.named_modules():
        own = dict(
            itertools.chain(
                module.named_parameters(path, recurse=False),
                module.named_buffers(path, recurse=False),
            )
        )
        dropped = {name: any(part in name for part in parts) for name in own}
        if any(dropped.values()):
            _reset(path, module, [own[name] for name in own if not dropped[name]])


@torch.no_grad()
def _reset(path: str, module: nn.Module, kept: list[Tensor]) -> None:
    reset: Callable[[], None] | None = getattr(module, "reset_parameters", None)
    if reset is None:
        msg = f"{path} ({type(module).__name__}) has no reset_parameters, so it cannot be reset"
        raise ConversionError(msg)
    values = [tensor.clone() for tensor in kept]
    reset()
    for tensor, value in zip(kept, values, strict=True):
        tensor.copy_(value)
