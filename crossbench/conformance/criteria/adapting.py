"""Low-rank adaptation: added without a change, learnt, and merged without a change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from crossbench.conformance.comparing import demand_equal, demand_finite, draw, infer, learn, make
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.conformance.target import Target
from crossbench.nets.lora import add_lora, lora_parameters, merge_lora

if TYPE_CHECKING:
    from torch import nn

    from crossbench.conformance.interface import Case

_RANK, _ALPHA = 2, 4.0


def _examine(case: Case) -> Finding:
    network, inputs = make(case), draw(case)
    names, before = list(network.state_dict()), infer(network, inputs)
    adapted = add_lora(network, rank=_RANK, alpha=_ALPHA)
    demand_equal(infer(network, inputs), before, "the answer with updates of zero")
    _move(network)
    _demand_learning(network, case)
    changed = infer(network, inputs)
    if torch.equal(changed, before):
        raise ViolationError(f"updates of {len(adapted)} kernels leave the answer as it was")
    merge_lora(network)
    demand_equal(infer(network, inputs), changed, "the answer with merged updates")
    if sorted(network.state_dict()) != sorted(names):
        raise ViolationError("merged, it has other tensors than before")
    return Finding(note=f"{len(adapted)} kernels of the {case.dims}D network are adapted")


def _move(network: nn.Module) -> None:
    """Updates other than zero, as if they had learnt."""
    generator = torch.Generator().manual_seed(8)
    for update in lora_parameters(network).values():
        with torch.no_grad():
            update.add_(0.05 * torch.randn(update.shape, generator=generator))


def _demand_learning(network: nn.Module, case: Case) -> None:
    """Refuse updates that get no finite gradient.

    Raises:
        ViolationError: Naming the update.
    """
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name, gradient in learn(network, draw(case)).items():
        if gradient is None:
            raise ViolationError(f"no gradient reaches {name}")
        demand_finite(gradient, f"the gradient of {name}")
    network.load_state_dict(state)  # statistics of BatchNorm have moved


CRITERIA = (
    Criterion(
        name="lora",
        demand="low-rank updates of its networks start at no change, learn, and merge exactly",
        tolerance="equal to the bit",
        cases=Target.networks,
        examine=_examine,
    ),
)
