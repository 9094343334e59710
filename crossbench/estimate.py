"""How long a plan would take here, from one timed step of each kind, and how much it writes."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import nn

from crossbench import nets
from crossbench.errors import RequestError
from crossbench.plan import count_passes, input_shape
from crossbench.training.environment import arithmetic, finish
from crossbench.training.features import batch_size
from crossbench.training.fit import learning_parameters
from crossbench.training.protocols import LinearProbe

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.methods import Method
    from crossbench.plan import Plan, Request, TaskPlan
    from crossbench.training.protocols import StagedFit

_RECORD_BYTES = 12_000
_PREDICTION_BYTES = 16
_PROBABILITY_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a plan's remaining runs would cost.

    Attributes:
        seconds: By task; augmentation, linear classifiers and the plain baselines are not
            counted.
        disk: Bytes of records and predictions.
    """

    seconds: dict[str, float]
    disk: int


def estimate(plan: Plan, device: torch.device) -> Estimate:
    """Time one training step a stage and one prediction of each method and input shape.

    Args:
        plan: What would be run.
        device: Where it would run.

    Raises:
        RequestError: If a network cannot take a task's inputs, such as volumes that are too
            small for it.
    """
    request = plan.request
    costs: dict[tuple[str, tuple[int, ...]], tuple[float, float]] = {}
    seconds: dict[str, float] = {}
    passes = count_passes(plan)
    with arithmetic(request.preset.compute):
        for task in plan.tasks:
            total = 0.0
            for run in task.todo:
                method = next((m for m in request.methods if m.name == run.key.method), None)
                if method is None:
                    continue
                shape = input_shape(task.card, task.sample_shape, request.preset)
                if (method.name, shape) not in costs:
                    costs[method.name, shape] = _costs_on(task, request, method, shape, device)
                train, test = costs[method.name, shape]
                total += passes[run.identity].train * train
                total += passes[run.identity].evaluate * test
            seconds[task.card.name] = total
    return Estimate(seconds=seconds, disk=sum(_disk(task) for task in plan.tasks))


def _disk(task: TaskPlan) -> int:
    row = _PREDICTION_BYTES + _PROBABILITY_BYTES * len(task.card.classes)
    return sum(_RECORD_BYTES + row * len(run.split.test) for run in task.todo)


def _costs_on(
    task: TaskPlan, request: Request, method: Method, shape: tuple[int, ...], device: torch.device
) -> tuple[float, float]:
    """As :func:`_sample_costs`, where torch's complaint names what it is about."""
    try:
        return _sample_costs(request, method, shape, device)
    except RuntimeError as error:
        size = "x".join(map(str, shape))
        msg = (
            f"{method.name} cannot run on {task.card.name}: a batch of {size} inputs fails in "
            f"{request.backbone} ({error}); larger samples or another --backbone may do"
        )
        raise RequestError(msg) from error


def _sample_costs(
    request: Request, method: Method, shape: tuple[int, ...], device: torch.device
) -> tuple[float, float]:
    """Seconds a sample in training, averaged over the protocol's stages, and in prediction."""
    model = nets.build_model(
        method, dims=len(shape), num_classes=2, init="random", backbone=request.backbone
    ).to(device)
    protocol, settings = request.protocol, request.preset.fit
    probe = isinstance(protocol, LinearProbe)
    inputs = torch.rand(batch_size(shape) if probe else settings.batch_size, 3, *shape).to(device)
    train = 0.0
    if not isinstance(protocol, LinearProbe):
        train = _step_seconds(model, inputs, protocol, settings.epochs)
    model.eval()

    @torch.no_grad()
    def predict() -> None:
        model(inputs)

    return train / len(inputs), _seconds(predict, device) / len(inputs)


def _step_seconds(
    model: nn.Module, inputs: torch.Tensor, protocol: StagedFit, epochs: int
) -> float:
    """Seconds of a training step, averaged over the epochs."""
    labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)

    def step() -> None:
        nn.functional.cross_entropy(model(inputs), labels).backward()  # type: ignore[no-untyped-call]

    model.train()
    mean = 0.0
    for stage in protocol.stages:
        share = sum(protocol.stage_at(e, epochs) is stage for e in range(1, epochs + 1))
        model.requires_grad_(False)
        for parameter in learning_parameters(model, stage.trains):
            parameter.requires_grad_(True)
        if share:
            mean += share / epochs * _seconds(step, inputs.device)
    return mean


def _seconds(call: Callable[[], None], device: torch.device) -> float:
    """The faster of two calls after a warm-up."""
    call()
    times = []
    for _ in range(2):
        finish(device)
        begin = perf_counter()
        call()
        finish(device)
        times.append(perf_counter() - begin)
    return min(times)
