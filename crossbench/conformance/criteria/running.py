"""Running at all, within limits, and without changes of state all runs share."""

from __future__ import annotations

import random
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from crossbench.conformance.comparing import demand_finite, draw, infer, learn, make
from crossbench.conformance.criteria import FIRST
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.conformance.target import Target
from crossbench.environment.state import own_randomness, unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crossbench.conformance.interface import Case


def _first(target: Target) -> Iterator[Case]:
    """The smallest layer in each of its forms; the networks of a method without layers."""
    layers = list(islice(target.layers(), 2))
    return iter(layers) if layers else target.networks()


def _runs(case: Case) -> Finding:
    module, inputs = make(case), draw(case)
    learn(module, inputs)
    found = infer(module, inputs)
    if tuple(found.shape) != case.expected(len(inputs)):
        raise ViolationError(f"the shape is {tuple(found.shape)}, not {case.expected(len(inputs))}")
    demand_finite(found, "the answer")
    return Finding()


# -------------------------------------------------------------------------- state


def _keeps_state(case: Case) -> Finding:
    built: list[Any] = []

    def build() -> None:
        built[:] = [case.build()]

    inputs = draw(case)
    steps: dict[str, Callable[[], object]] = {
        "building it": build,
        "a training step": lambda: _train(built[0], inputs),
        "a forward pass in eval mode": lambda: built[0].eval()(inputs),
    }
    for name, step in steps.items():
        with unchanged():
            _demand_unseeded(name, step)
    return Finding()


def _train(module: Any, inputs: torch.Tensor) -> None:
    """A training step; unlike :func:`learn` it seeds no generator."""
    total = module.train()(inputs).float().sum()
    if total.requires_grad:
        total.backward()


def _demand_unseeded(name: str, step: Callable[[], object]) -> None:
    """Refuse a step after which a global generator is where it is whatever it was seeded with.

    Drawing from the generators is well; two seeds then leave two states.

    Raises:
        ViolationError: Naming the generator.
    """
    after = []
    for seed in (5, 6):
        with own_randomness(seed):
            step()
            after.append(_generators())
    for generator, state in after[0].items():
        if state == after[1][generator]:
            raise ViolationError(f"{name} seeds the generator of {generator}, which all runs share")


def _generators() -> dict[str, bytes]:
    numpy: Any = np.random.get_state()  # noqa: NPY002  (it is global state)
    return {
        "torch": bytes(torch.get_rng_state().numpy()),
        "NumPy": numpy[1].tobytes(),
        "Python": repr(random.getstate()).encode(),
    }


def _imports_quietly(target: Target) -> Finding:
    if target.imported:
        raise ViolationError(f"it changes what all runs share: {'; '.join(target.imported)}")
    return Finding()


CRITERIA = (
    Criterion(
        name=FIRST,
        demand="its smallest layers, or its networks, run forward and backward within the limits",
        cases=_first,
        examine=_runs,
    ),
    Criterion(
        name="networks",
        demand="networks for each kind of input are built, and run forward and backward",
        cases=Target.networks,
        examine=_runs,
    ),
    Criterion(
        name="import",
        demand="importing it changes nothing that all runs share",
        cases=lambda target: (target,),
        examine=_imports_quietly,
    ),
    Criterion(
        name="global-state",
        demand="threads, default dtype, seeds and what else all runs share stay as they were",
        cases=Target.all,
        examine=_keeps_state,
    ),
)
