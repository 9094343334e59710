"""How long a plan would take here, from one timed step of each kind, and how much it writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from crossbench.environment.arithmetic import arithmetic
from crossbench.errors.foreign import describe
from crossbench.nets.build import build_model
from crossbench.protocols.interface import SampleCost
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch

    from crossbench.methods import Method
    from crossbench.runs.plan import Plan, PlannedRun, TaskPlan
    from crossbench.runs.request import Resolved

_RECORD_BYTES = 12_000
_PREDICTION_BYTES = 16
_PROBABILITY_BYTES = 4


class _Network(NamedTuple):
    """One network to be timed: a method on inputs of one shape, as they first occur."""

    method: Method
    task: TaskPlan

    @property
    def key(self) -> tuple[str, str, tuple[int, ...]]:
        """What its cost depends on."""
        return self.method.name, self.task.card.kind, self.task.shape


@dataclass(frozen=True, kw_only=True)
class _Cost:
    """Seconds a sample, and bytes of a network's weights."""

    timed: SampleCost = field(default_factory=SampleCost)
    weights: int = 0


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a plan's remaining runs would cost.

    Attributes:
        seconds: By task; augmentation, linear classifiers and the plain baselines are not
            counted, nor are networks that could not be timed.
        by_run: Those seconds by the identity of each run to do.
        disk: Bytes of records, predictions and kept weights.
        untimed: What became of networks that failed, by method and task in words.
    """

    seconds: dict[str, float]
    disk: int
    by_run: dict[str, float] = field(default_factory=dict)
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
    request = plan.request
    costs: dict[tuple[str, str, tuple[int, ...]], _Cost] = {}
    untimed: dict[str, str] = {}
    with arithmetic(request.preset.compute):
        for network in track(_networks(plan)):
            try:
                cost = _cost(request, network, device)
            except Exception as error:  # noqa: BLE001 - whatever a method's code may raise
                where = f"{network.method.name} on {network.task.card.name}"
                untimed[where] = describe(error)
                cost = _Cost()
            costs[network.key] = cost
    by_run: dict[str, float] = {}
    disk = 0
    for task in plan.tasks:
        for run in task.todo:
            by_run[run.identity] = 0.0
            disk += _results_bytes(task, run)
            if run.method is not None:
                cost = costs[_Network(run.method, task).key]
                by_run[run.identity] += run.passes.train * cost.timed.train
                by_run[run.identity] += run.passes.evaluate * cost.timed.evaluate
                disk += cost.weights if request.asked.save_weights else 0
    seconds = {
        task.card.name: sum(by_run[run.identity] for run in task.todo) for task in plan.tasks
    }
    return Estimate(seconds=seconds, disk=disk, by_run=by_run, untimed=untimed)


def _networks(plan: Plan) -> list[_Network]:
    """Each method on inputs of each shape that it still has to run on."""
    found: dict[tuple[str, str, tuple[int, ...]], _Network] = {}
    for task in plan.tasks:
        for run in task.todo:
            if run.method is not None:
                network = _Network(run.method, task)
                found.setdefault(network.key, network)
    return list(found.values())


def _results_bytes(task: TaskPlan, run: PlannedRun) -> int:
    row = _PREDICTION_BYTES + _PROBABILITY_BYTES * len(task.card.classes)
    return _RECORD_BYTES + row * len(run.split.test)


def _cost(request: Resolved, network: _Network, device: torch.device) -> _Cost:
    """Time a network on random inputs, and weigh it."""
    task = network.task
    model = build_model(
        network.method,
        dims=task.card.dimension,
        kind=task.card.kind,
        shape=task.shape,
        facts=task.facts,
        num_classes=2,
        init=RANDOM,
        backbone=request.asked.backbone,
        **request.preset.network.options,
    ).to(device)
    timed = request.protocol.time(model, task.input_shape, request.preset, device)
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    return _Cost(timed=timed, weights=weights)
