"""Time that a transfer would take, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench import pretraining
from crossbench.runs.estimate import estimate
from crossbench.specs.requests import ALL
from crossbench.transfer.plan import pretrained_plans

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from crossbench.results.records.store import Store
    from crossbench.runs.plan import Plan, PlannedRun
    from crossbench.transfer.plan import TransferPlan


@dataclass(frozen=True, kw_only=True)
class StageEstimate:
    """A line of a transfer's estimate.

    Attributes:
        what: The stage in words.
        count: How many networks it has.
        todo: How many of them are still to be made.
        seconds: What they would take here.
    """

    what: str
    count: int
    todo: int
    seconds: float


def estimate_transfer(
    plan: TransferPlan, store: Store, device: torch.device
) -> list[StageEstimate]:
    """Time of each stage of a transfer on a device; runs that are done take none.

    Until everything is pretrained, runs from pretrained weights count as runs to do. The runs of
    a protocol are taken to last equally long from whichever weights.
    """
    left = [each for each in plan.pretrainings if not pretraining.finished(each)]
    costs = {each.form: each for each in left}
    seconds = {form: pretraining.estimate_seconds(each) for form, each in costs.items()}
    first = StageEstimate(
        what=f"pretrain on {plan.request.source}",
        count=len(plan.pretrainings),
        todo=len(left),
        seconds=sum(seconds[each.form] for each in left),
    )
    stages = [first]
    for scratch in plan.scratch:
        name = _stage_name(plan, scratch)
        every = scratch.afresh()
        pretrained = [every] if left else pretrained_plans(plan, store, scratch)
        runs = [
            (f"{name}, random weights", _networks(scratch)),
            (f"{name}, pretrained", [run for each in pretrained for run in _networks(each)]),
        ]
        to_do = any(not run.done for _, networks in runs for run in networks)
        each = _seconds(every, device) / len(every.todo) if to_do else 0.0
        stages += [_stage(what, networks, each) for what, networks in runs]
    for named in plan.named:
        networks = _networks(named)
        to_do = any(not run.done for run in networks)
        each = _seconds(named.afresh(), device) / len(networks) if to_do else 0.0
        what = f"{_stage_name(plan, named)}, {named.request.asked.init}"
        stages.append(_stage(what, networks, each))
    return stages


def _stage_name(plan: TransferPlan, of: Plan) -> str:
    """The protocol of runs and, where they are part of a curve, how many samples are labelled."""
    name, limit = of.request.protocol.name, of.request.preset.split.max_labelled
    return f"{name}, {limit or ALL} labelled" if plan.request.curve else name


def _networks(plan: Plan) -> list[PlannedRun]:
    return [run for run in plan.runs if not run.key.plain]


def _seconds(plan: Plan, device: torch.device) -> float:
    return sum(estimate(plan, device).seconds.values())


def _stage(what: str, networks: Sequence[PlannedRun], seconds_each: float) -> StageEstimate:
    todo = sum(not run.done for run in networks)
    return StageEstimate(what=what, count=len(networks), todo=todo, seconds=todo * seconds_each)
