"""Modules, inputs and answers of cases, drawn from seeds, and comparisons of tensors."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from crossbench.conformance.interface import ViolationError
from crossbench.environment.state import own_randomness
from crossbench.errors.foreign import kind_of

if TYPE_CHECKING:
    from crossbench.conformance.interface import Case

#: Samples of a batch where a criterion does not say otherwise; BatchNorm needs two.
BATCH = 2


def make(case: Case, seed: int = 0) -> nn.Module:
    """The module of a case in training mode, its weights drawn from a seed."""
    with own_randomness(seed):
        return case.build().train()


def draw(case: Case, batch: int = BATCH, *, seed: int = 1) -> Tensor:
    """Standard normal inputs for a case, float32."""
    return torch.randn(case.shape(batch), generator=torch.Generator().manual_seed(seed))


def answer(module: nn.Module, inputs: Tensor, *, seed: int = 2) -> Tensor:
    """Output of a module, the global generators seeded.

    Raises:
        ViolationError: If that is no tensor.
    """
    with own_randomness(seed):
        output: Any = module(inputs)
    if not isinstance(output, Tensor):
        raise ViolationError(f"it returns a {kind_of(output)}, and must return a tensor")
    return output


def infer(module: nn.Module, inputs: Tensor) -> Tensor:
    """Output of a module in eval mode, without gradients."""
    with torch.no_grad():
        return answer(module.eval(), inputs)


def learn(module: nn.Module, inputs: Tensor) -> dict[str, Tensor | None]:
    """Gradients of a fixed random sum over the answer in training mode, by parameter's name."""
    module.train().zero_grad()
    output = answer(module, inputs)
    with own_randomness(3):
        weights = torch.randn(output.shape)
    if output.requires_grad:  # else no tensor gets a gradient
        (output.float() * weights.to(output.device)).sum().backward()  # type: ignore[no-untyped-call]
    return {
        name: parameter.grad
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }


def tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, also those that a state dict leaves out."""
    named = chain(module.named_parameters(), module.named_buffers())
    return {name: tensor.detach() for name, tensor in named}


@torch.no_grad()
def disturb(tensor: Tensor, seed: int = 4) -> None:
    """Change every value of a tensor a little, up or down, in place; deep networks stay finite."""
    if tensor.dtype == torch.bool:
        tensor.logical_not_()
    elif tensor.is_floating_point():
        noise = torch.rand(tensor.shape, generator=torch.Generator().manual_seed(seed)).to(tensor)
        tensor.mul_(1 + 0.1 * noise).add_(0.02 * (noise - 0.5))
    else:
        tensor.add_(1)


# ------------------------------------------------------------------------------ demands


def demand_finite(tensor: Tensor, what: str) -> None:
    """Refuse NaN and infinity.

    Raises:
        ViolationError: Naming how many values are not finite.
    """
    wrong = int((~tensor.isfinite()).sum())
    if wrong:
        raise ViolationError(f"{what}: {wrong} of {tensor.numel()} values are not finite")


def demand_equal(found: Tensor, wanted: Tensor, what: str) -> None:
    """Refuse a single bit of difference; NaN equals nothing.

    Raises:
        ViolationError: With the largest difference.
    """
    if found.shape != wanted.shape or not torch.equal(found, wanted):
        raise ViolationError(f"{what}: not the same bits", deviation(found, wanted))


def demand_close(found: Tensor, wanted: Tensor, share: float, what: str) -> float:
    """The largest difference as a share of the largest magnitude, if it is small enough.

    Raises:
        ViolationError: If it exceeds ``share``, or a value is not finite.
    """
    demand_finite(found, what)
    measured = deviation(found, wanted)
    if measured > share:
        raise ViolationError(f"{what}: they differ by {measured:.2g} of the maximum", measured)
    return measured


def deviation(found: Tensor, wanted: Tensor) -> float:
    """The largest difference, as a share of the largest wanted magnitude where that is not 0.

    Raises:
        ViolationError: If the shapes differ.
    """
    if found.shape != wanted.shape:
        raise ViolationError(f"the shape is {tuple(found.shape)} in place of {tuple(wanted.shape)}")
    if found.numel() == 0:
        return 0.0
    found, wanted = found.detach().cpu().double(), wanted.detach().cpu().double()
    scale = float(wanted.abs().max())
    return float((found - wanted).abs().max()) / (scale or 1.0)
