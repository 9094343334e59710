"""Number formats, memory layouts and devices: the answer stays the same within a tolerance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from crossbench.conformance.comparing import (
    demand_close,
    demand_finite,
    draw,
    infer,
    learn,
    make,
)
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.conformance.target import Target
from crossbench.training.convolutions import QuickConvolutions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import Tensor, nn

    from crossbench.conformance.interface import Case

# Of the maximum: bfloat16 keeps 8 bits, float32 24 of which sums in another order lose some.
_BFLOAT16, _FLOAT64, _LAYOUT, _DEVICE = 5e-2, 1e-4, 1e-5, 1e-4
_LAYOUTS = {4: torch.channels_last, 5: torch.channels_last_3d}


def _autocast(case: Case) -> Finding:
    module, inputs = make(case), draw(case)
    wanted = infer(module, inputs)
    # As in a fit: torch's own gradients of small maps are no numbers under autocast.
    with torch.autocast("cpu", dtype=torch.bfloat16), QuickConvolutions():
        found = infer(module, inputs)
        _demand_finite_gradients(module, inputs, "under autocast")
    measured = demand_close(found.float(), wanted, _BFLOAT16, "under autocast and without")
    return Finding(measured)


def _float64(case: Case) -> Finding:
    module, inputs = make(case), draw(case)
    wanted = infer(module, inputs)
    found = infer(module.double(), inputs.double())
    if found.dtype != torch.float64:
        raise ViolationError(f"in float64 its answer is {found.dtype}".replace("torch.", ""))
    _demand_finite_gradients(module, inputs.double(), "in float64")
    return Finding(demand_close(wanted, found.float(), _FLOAT64, "float32 and float64"))


def _channels_last(case: Case) -> Finding:
    module, inputs = make(case), draw(case)
    layout = _LAYOUTS.get(inputs.dim())
    if layout is None:
        return Finding(note=f"{inputs.dim() - 2}D inputs have one layout")
    wanted = infer(module, inputs)
    found = infer(module, inputs.to(memory_format=layout))
    return Finding(demand_close(found, wanted, _LAYOUT, "channels-last and contiguous inputs"))


def _where_cuda_is(target: Target) -> Iterable[Case]:
    return target.all() if torch.cuda.is_available() else ()


def _cuda(case: Case) -> Finding:
    module, inputs = make(case), draw(case)
    wanted = infer(module, inputs)
    module.cuda()
    found = infer(module, inputs.cuda())
    if not found.is_cuda:
        raise ViolationError(f"on CUDA its answer is on {found.device}")
    _demand_finite_gradients(module, inputs.cuda(), "on CUDA")
    return Finding(demand_close(found.cpu(), wanted, _DEVICE, "CUDA and CPU"))


def _demand_finite_gradients(module: nn.Module, inputs: Tensor, where: str) -> None:
    for name, gradient in learn(module, inputs).items():
        if gradient is not None:
            demand_finite(gradient, f"the gradient of {name} {where}")


CRITERIA = (
    Criterion(
        name="autocast",
        demand="under autocast to bfloat16 it answers nearly the same, with finite gradients",
        tolerance=f"{_BFLOAT16:g} of the maximum",
        cases=Target.all,
        examine=_autocast,
    ),
    Criterion(
        name="float64",
        demand="it computes in float64, and answers as in float32",
        tolerance=f"{_FLOAT64:g} of the maximum",
        cases=Target.all,
        examine=_float64,
    ),
    Criterion(
        name="channels-last",
        demand="channels-last inputs are answered as contiguous ones are",
        tolerance=f"{_LAYOUT:g} of the maximum",
        cases=Target.all,
        examine=_channels_last,
    ),
    Criterion(
        name="cuda",
        demand="it answers on CUDA as on the CPU, TF32 off",
        tolerance=f"{_DEVICE:g} of the maximum",
        cases=_where_cuda_is,
        examine=_cuda,
        absent="no CUDA device is here",
    ),
)
