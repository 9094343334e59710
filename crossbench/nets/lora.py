"""Low-rank adaptation: every kernel W becomes ``W + (alpha / rank) (B A).view_as(W)``.

Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2022, with a kernel read as the
matrix (C_out, C_in / groups K^n) as in section 4.1's linear layers. W stays as it is; A and B
learn. The update is applied to the kernel and not to what it is convolved with, so any layer can
be adapted that reads its kernel as an attribute, whatever it does with it and however it lays it
out: :mod:`crossbench.nets.roles` says which parameters are kernels, and which axes their rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from crossbench.errors import ConversionError
from crossbench.nets.roles import roles_of

if TYPE_CHECKING:
    from crossbench.nets.roles import Kernel, Roles

Target = Literal["all", "spatial"]


class LowRank(nn.Module):
    """The parametrisation of one kernel.

    Attributes:
        lora_a: (rank, C_in / groups K^n), Kaiming uniform as in ``nn.Linear``, drawn on the CPU.
        lora_b: (C_out, rank), zero at first, so that an adapted network starts as it was.
    """

    def __init__(
        self, kernel: Tensor, rank: int, alpha: float, axes: tuple[int, ...] = (0,)
    ) -> None:
        super().__init__()
        self.axes = axes
        rows = math.prod(kernel.shape[axis] for axis in axes)
        columns = kernel.numel() // rows
        self.scale = alpha / rank
        rank = min(rank, largest_rank(rows, columns))
        drawn = nn.init.kaiming_uniform_(torch.empty(rank, columns), a=math.sqrt(5))
        self.lora_a = nn.Parameter(drawn.to(kernel))
        self.lora_b = nn.Parameter(kernel.new_zeros(rows, rank))

    def forward(self, kernel: Tensor) -> Tensor:
        """The kernel with its update, in its own precision also under autocast."""
        first = tuple(range(len(self.axes)))
        turned = kernel.movedim(self.axes, first)
        device = "cpu" if kernel.is_meta else kernel.device.type  # meta knows no autocast
        with torch.autocast(device, enabled=False):
            matrix = turned.reshape(len(self.lora_b), -1)
            rows = torch.addmm(matrix, self.lora_b, self.lora_a, alpha=self.scale)
            return rows.view(turned.shape).movedim(first, self.axes)


def largest_rank(rows: int, columns: int) -> int:
    """The largest rank whose update is no larger than its kernel; 0 for none."""
    return rows * columns // (rows + columns)


def add_lora(
    network: nn.Module, *, rank: int, alpha: float, target: Target = "all"
) -> tuple[str, ...]:
    """Add low-rank updates to the kernels of a network and freeze all else, in place.

    The network's outputs are the same bits as before, until the updates learn.

    Args:
        network: A 2D or 3D network; what timm's ``get_classifier`` returns is not adapted.
        rank: Rank of each update, from 1; that of a small kernel is cut so that the update is not
            larger than the kernel, and a kernel that even rank 1 exceeds stays as it is.
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
    roles = roles_of(network)
    chosen = [
        kernel
        for kernel in roles.kernels
        if (target == "all" or kernel.spatial) and _rank(network, kernel) > 0
    ]
    if not chosen:
        raise ConversionError(_nothing_to_adapt(network, roles, target))
    network.requires_grad_(False)
    for kernel in chosen:
        path, _, name = kernel.name.rpartition(".")
        module = network.get_submodule(path)
        update = LowRank(module.get_parameter(name), rank, alpha, kernel.axes)
        # unsafe: shape and dtype stay by construction; a trial would need a device with autocast
        parametrize.register_parametrization(module, name, update, unsafe=True)
    return tuple(kernel.name for kernel in chosen)


def _rank(network: nn.Module, kernel: Kernel) -> int:
    """The largest rank that a kernel's update may have."""
    shape = network.get_parameter(kernel.name).shape
    rows = math.prod(shape[axis] for axis in kernel.axes)
    return largest_rank(rows, shape.numel() // rows)


def _nothing_to_adapt(network: nn.Module, roles: Roles, target: Target) -> str:
    """Why no kernel can be adapted, and what of the network looks like one."""
    msg = f"{type(network).__name__} has no kernel to adapt (target {target!r})"
    if not roles.unread:
        return msg
    found = ", ".join(f"{name} ({size:,} parameters)" for name, size in roles.unread.items())
    return (
        f"{msg}: {found} are not laid out as (C_out, C_in / groups, ...); a method declares the "
        'axis of the output channels by `kernels`, such as {"weight": 0}'
    )


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
    """The factors A and B of an adapted network by their ``state_dict`` names.

    They are all there is to save of the updates; ``load_state_dict(..., strict=False)`` puts
    them into a network adapted with the same settings.
    """
    return {
        f"{path}.{name}".lstrip("."): parameter
        for path, module in network.named_modules()
        if isinstance(module, LowRank)
        for name, parameter in module.named_parameters()
    }
