"""The same again: from the same seed, from a state dict, alone or in a batch, in eval mode."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import torch

from crossbench.conformance.comparing import (
    demand_close,
    demand_equal,
    disturb,
    draw,
    infer,
    learn,
    make,
    tensors,
)
from crossbench.conformance.interface import Criterion, Finding, ViolationError
from crossbench.conformance.target import Target

if TYPE_CHECKING:
    from torch import nn

    from crossbench.conformance.interface import Case

_BATCH = 8
_SHARE = 1e-5  # of the maximum, between a batch and its samples
_BITS = "equal to the bit"


def _deterministic(case: Case) -> Finding:
    one, two, inputs = make(case), make(case), draw(case)
    for name, tensor in tensors(one).items():
        demand_equal(tensors(two)[name], tensor, f"{name}, built twice from one seed")
    demand_equal(infer(two, inputs), infer(one, inputs), "the answers of two that are built alike")
    demand_equal(infer(one, inputs), infer(one, inputs), "two answers to one input")
    first, second = learn(one, inputs), learn(two, inputs)
    for name, gradient in first.items():
        if gradient is not None and (again := second[name]) is not None:
            demand_equal(again, gradient, f"the gradient of {name}, computed twice")
    return Finding()


def _round_trip(case: Case) -> Finding:
    """Values of a state dict, disturbed so that nothing made from the first ones is right."""
    module, other, inputs = make(case), make(case, seed=7), draw(case)
    for tensor in module.state_dict().values():
        disturb(tensor)
    state = _saved(module)
    try:
        other.load_state_dict(state)
    except RuntimeError as error:
        raise ViolationError(f"load_state_dict refuses its own state dict: {error}") from error
    demand_equal(infer(other, inputs), infer(module, inputs), "the answer with the loaded weights")
    return Finding()


def _saved(module: nn.Module) -> Any:
    """The state dict through a file's bytes, read as crossbench reads: weights and nothing else."""
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def _alone(case: Case) -> Finding:
    module, inputs = make(case), draw(case, _BATCH)
    together = infer(module, inputs)
    alone = torch.cat([infer(module, sample) for sample in inputs[:, None]])
    what = f"a batch of {_BATCH} and its samples alone"
    return Finding(demand_close(together, alone, _SHARE, what))


def _settled(case: Case) -> Finding:
    module, inputs = make(case).eval(), draw(case)
    before = {name: tensor.clone() for name, tensor in tensors(module).items()}
    infer(module, inputs)
    learning = [name or "it" for name, each in module.named_modules() if each.training]
    if learning:
        raise ViolationError(f"{learning[0]} is in training mode after a forward pass in eval mode")
    for name, tensor in tensors(module).items():
        if name not in before or not torch.equal(before[name], tensor):
            raise ViolationError(f"a forward pass in eval mode changes {name}")
    return Finding()


def _untouched(case: Case) -> Finding:
    module = make(case)
    for mode in ("training", "eval"):
        inputs = draw(case)
        before = inputs.clone()
        with torch.no_grad():
            module.train(mode == "training")(inputs)
        demand_equal(inputs, before, f"the input, after a forward pass in {mode} mode")
    return Finding()


CRITERIA = (
    Criterion(
        name="determinism",
        demand="the same seed gives the same weights, answers and gradients, threads fixed",
        tolerance=_BITS,
        cases=Target.all,
        examine=_deterministic,
    ),
    Criterion(
        name="state-dict",
        demand="another one that loads its state dict answers as it does",
        tolerance=_BITS,
        cases=Target.all,
        examine=_round_trip,
    ),
    Criterion(
        name="batch-independence",
        demand=f"in eval mode a batch of {_BATCH} is answered as its samples are alone",
        tolerance=f"{_SHARE:g} of the maximum",
        cases=Target.all,
        examine=_alone,
    ),
    Criterion(
        name="eval-mode",
        demand="a forward pass in eval mode changes no tensor and no module's mode",
        tolerance=_BITS,
        cases=Target.all,
        examine=_settled,
    ),
    Criterion(
        name="input-unchanged",
        demand="a forward pass leaves its input as it was",
        tolerance=_BITS,
        cases=Target.all,
        examine=_untouched,
    ),
)
