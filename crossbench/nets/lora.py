"""Low-rank adaptation: every kernel W becomes ``W + (alpha / rank) (B A).view_as(W)``.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2022, with a kernel read as the
matrix (C_out, C_in / groups K^n) as in section 4.1's linear layers. W stays as it is; A and B
learn. The update is applied to the kernel and not to what it is convolved with, so any layer can
be adapted that reads its kernel as an attribute, whatever it does with it: see :func:`kernels`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from crossbench.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Iterator

Target = Literal["all", "spatial"]


class LowRank(nn.Module):
    """The parametrisation of one kernel.

    Attributes:
        lora_a: (rank, C_in / groups K^n), Kaiming uniform as in ``nn.Linear``, drawn on the CPU.
        lora_b: (C_out, rank), zero at first, so that an adapted network starts as it was.
    """

    def __init__(self, kernel: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        drawn = nn.init.kaiming_uniform_(torch.empty(rank, kernel[0].numel()), a=math.sqrt(5))
        self.lora_a = nn.Parameter(drawn.to(kernel))
        self.lora_b = nn.Parameter(kernel.new_zeros(len(kernel), rank))
        self.scale = alpha / rank

    def forward(self, kernel: Tensor) -> Tensor:
        """The kernel with its update, in its own precision also under autocast."""
        with torch.autocast(kernel.device.type, enabled=False):
            rows = torch.addmm(kernel.flatten(1), self.lora_b, self.lora_a, alpha=self.scale)
            return rows.view_as(kernel)


def add_lora(
    network: nn.Module, *, rank: int, alpha: float, target: Target = "all"
) -> tuple[str, ...]:
    """Give the kernels of a network low-rank updates, in place, and freeze all else of it.

    The network's outputs are the same bits as before, until the updates learn.

    Args:
        network: A 2D or 3D network; what timm's ``get_classifier`` returns is not adapted.
        rank: Rank of each update, from 1; it is not cut to the size of small kernels.
        alpha: Updates are scaled by ``alpha / rank``.
        target: ``all`` kernels, or ``spatial`` ones: those larger than 1 along some axis.

    Returns:
        Names of the adapted kernels, such as ``layer1.0.conv1.weight``.

    Raises:
        ConversionError: If the network is adapted already, or has no kernel to adapt.
    """
    if lora_parameters(network):
        msg = f"{type(network).__name__} has low-rank updates already; merge_lora first"
        raise ConversionError(msg)
    chosen = [
        (path, module, name)
        for path, module, name in kernels(network)
        if target == "all" or max(module.get_parameter(name).shape[2:]) > 1
    ]
    if not chosen:
        msg = f"{type(network).__name__} has no kernel to adapt (target {target!r})"
        raise ConversionError(msg)
    network.requires_grad_(False)
    for _, module, name in chosen:
        update = LowRank(module.get_parameter(name), rank, alpha)
        # unsafe: shape and dtype stay by construction; a trial would need a device with autocast
        parametrize.register_parametrization(module, name, update, unsafe=True)
    return tuple(f"{path}.{name}".lstrip(".") for path, module, name in chosen)


def merge_lora(network: nn.Module) -> None:
    """Make the updated kernels the network's own, in place, and drop the updates.

    The network then has the tensors it had before :func:`add_lora`, under the same names, and
    its outputs are the same bits as those of the adapted network.
    """
    for module in list(network.modules()):
        for name, steps in list(getattr(module, "parametrizations", {}).items()):
            if any(isinstance(step, LowRank) for step in steps):
                parametrize.remove_parametrizations(module, name, leave_parametrized=True)


def lora_parameters(network: nn.Module) -> dict[str, nn.Parameter]:
    """The factors A and B of an adapted network under their names in its ``state_dict``.

    They are all there is to save of the updates; ``load_state_dict(..., strict=False)`` puts
    them into a network adapted with the same settings.
    """
    return {
        f"{path}.{name}".lstrip("."): parameter
        for path, module in network.named_modules()
        if isinstance(module, LowRank)
        for name, parameter in module.named_parameters()
    }


def kernels(network: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """The kernels of a network: path and module of each, and the parameter's name in it.

    A kernel is a parameter of three or more axes. Modules within a module that holds one are
    passed over: they steer that layer, as the rotation networks of Cross-D do. So is the
    classifier.
    """
    classifier = network.get_classifier() if hasattr(network, "get_classifier") else None  # type: ignore[operator]
    yield from _kernels(network, "", {classifier})


def _kernels(
    module: nn.Module, path: str, seen: set[nn.Module | None]
) -> Iterator[tuple[str, nn.Module, str]]:
    if module in seen:
        return
    seen.add(module)
    own = [name for name, tensor in module.named_parameters(recurse=False) if tensor.ndim >= 3]
    for name in own:
        yield path, module, name
    if not own:
        for name, child in module.named_children():
            yield from _kernels(child, f"{path}.{name}".lstrip("."), seen)
