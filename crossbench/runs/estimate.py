"""How long a plan would take here, from one timed step of each kind, and how much it writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn

from crossbench import nets
from crossbench.environment.arithmetic import arithmetic, finish
from crossbench.errors.foreign import describe
from crossbench.nets.lora import merge_lora
from crossbench.protocols import LinearProbe
from crossbench.runs.plan import count_passes, input_shape
from crossbench.training.features import batch_size
from crossbench.training.fit import prepare, set_training, start_stage, training_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossbench.methods import Method
    from crossbench.protocols import StagedFit
    from crossbench.runs.plan import Plan, PlannedRun, Request, TaskPlan

_RECORD_BYTES = 12_000
_PREDICTION_BYTES = 16
_PROBABILITY_BYTES = 4


class _Network(NamedTuple):
    """One network to be timed: a method on inputs of one shape, as they first occur."""

    method: Method
    shape: tuple[int, ...]
    task: str


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """Seconds a sample in training and in prediction, and bytes of a network's weights."""

    train: float
    evaluate: float
    weights: int


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a plan's remaining runs would cost.

    Attributes:
        seconds: By task; augmentation, linear classifiers and the plain baselines are not
            counted, nor are networks that could not be timed.
        disk: Bytes of records, predictions and kept weights.
        untimed: What became of networks that failed, by method and task in words.
    """

    seconds: dict[str, float]
    disk: int
    untimed: dict[str, str] = field(default_factory=dict)


def estimate(
    plan: Plan,
    device: torch.device,
    *,
    track: Callable[[Sequence[_Network]], Iterable[_Network]] = iter,
) -> Estimate:
    """Time one training step a stage and one prediction of each method and input shape.

    Args:
        plan: What would be run.
        device: Where it would run.
        track: Hands on the networks while they are timed, for progress.

    Returns:
        The estimate. A network that fails here will fail in its runs too, whose records say so.
    """
    request, passes = plan.request, count_passes(plan)
    costs: dict[tuple[str, tuple[int, ...]], _Cost] = {}
    untimed: dict[str, str] = {}
    with arithmetic(request.preset.compute):
        for network in track(_networks(plan)):
            try:
                cost = _cost(request, network.method, network.shape, device)
            except Exception as error:  # noqa: BLE001 - whatever a method's code may raise
                where = f"{network.method.name} on {network.task}"
                untimed[where] = describe(error)
                cost = _Cost(train=0.0, evaluate=0.0, weights=0)
            costs[network.method.name, network.shape] = cost
    seconds: dict[str, float] = {}
    disk = 0
    for task in plan.tasks:
        shape = input_shape(task.card, task.sample_shape, request.preset)
        seconds[task.card.name] = 0.0
        for run in task.todo:
            disk += _results_bytes(task, run)
            if not run.key.plain:
                cost, work = costs[run.key.method, shape], passes[run.identity]
                seconds[task.card.name] += work.train * cost.train + work.evaluate * cost.evaluate
                disk += cost.weights if request.save_weights else 0
    return Estimate(seconds=seconds, disk=disk, untimed=untimed)


def _networks(plan: Plan) -> list[_Network]:
    """Each method on inputs of each shape that it still has to run on."""
    found: dict[tuple[str, tuple[int, ...]], _Network] = {}
    methods = {method.name: method for method in plan.request.methods}
    for task in plan.tasks:
        shape = input_shape(task.card, task.sample_shape, plan.request.preset)
        for run in task.todo:
            if not run.key.plain:
                network = _Network(methods[run.key.method], shape, task.card.name)
                found.setdefault((run.key.method, shape), network)
    return list(found.values())


def _results_bytes(task: TaskPlan, run: PlannedRun) -> int:
    row = _PREDICTION_BYTES + _PROBABILITY_BYTES * len(task.card.classes)
    return _RECORD_BYTES + row * len(run.split.test)


def _cost(request: Request, method: Method, shape: tuple[int, ...], device: torch.device) -> _Cost:
    """What a network costs; training is averaged over the protocol's stages."""
    model = nets.build_model(
        method, dims=len(shape), num_classes=2, init="random", backbone=request.backbone
    ).to(device)
    protocol, settings = request.protocol, request.preset.fit
    probe = isinstance(protocol, LinearProbe)
    inputs = torch.rand(batch_size(shape) if probe else settings.batch_size, 3, *shape).to(device)
    train = 0.0
    if not isinstance(protocol, LinearProbe):
        protocol = prepare(model, protocol, request.preset.lora)
        train = _step_seconds(model, inputs, protocol, settings.epochs)
        merge_lora(model)
    model.eval()

    @torch.no_grad()
    def predict() -> None:
        model(inputs)

    return _Cost(
        train=train / len(inputs),
        evaluate=seconds_of(predict, device) / len(inputs),
        weights=sum(tensor.nbytes for tensor in model.state_dict().values()),
    )


def _step_seconds(
    model: nn.Module, inputs: torch.Tensor, protocol: StagedFit, epochs: int
) -> float:
    """Seconds of a training step, averaged over the epochs."""
    labels = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)

    def step() -> None:
        training_loss(model, inputs, labels).backward()  # type: ignore[no-untyped-call]

    mean = 0.0
    for stage in protocol.stages:
        share = sum(protocol.stage_at(e, epochs) is stage for e in range(1, epochs + 1))
        start_stage(stage, model)
        set_training(model, stage)
        if share:
            mean += share / epochs * seconds_of(step, inputs.device)
    return mean


def seconds_of(call: Callable[[], None], device: torch.device) -> float:
    """Seconds that a call takes on a device: the faster of two after a warm-up."""
    call()
    times = []
    for _ in range(2):
        finish(device)
        begin = perf_counter()
        call()
        finish(device)
        times.append(perf_counter() - begin)
    return min(times)
