"""Gradients: finite ones reach every tensor that is to learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from crossbench.conformance.comparing import demand_finite, draw, learn, make
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.conformance.target import Target

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.conformance.interface import Case


def _examine(case: Case) -> Finding:
    for what, inputs in _inputs(case).items():
        gradients = learn(make(case), inputs.requires_grad_())
        for name, gradient in gradients.items():
            if gradient is None:
                raise ViolationError(f"no gradient reaches {name} (on {what} inputs)")
            demand_finite(gradient, f"the gradient of {name} on {what} inputs")
        if inputs.grad is None:
            raise ViolationError(f"no gradient reaches the layers before it (on {what} inputs)")
        demand_finite(inputs.grad, f"the gradient of {what} inputs")
    return Finding()


def _inputs(case: Case) -> dict[str, Tensor]:
    """Inputs that make gradients, and those at which square roots and divisions have none."""
    shape = case.shape(2)
    return {"random": draw(case), "zero": torch.zeros(shape), "constant": torch.full(shape, 3.0)}


CRITERIA = (
    Criterion(
        name="gradients",
        demand="every trainable tensor and the input get a finite gradient, on zeros too",
        tolerance="all finite",
        cases=Target.all,
        examine=_examine,
    ),
)
