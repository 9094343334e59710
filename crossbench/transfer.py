"""The whole loop: pretrain in 2D on a fold's own patients, carry the weights to a 3D task, compare.

Each fold of the target task gets 2D networks of its own, pretrained on the part of the source
task that trains and validates in the fold of the same number. Whether that part is disjoint from
what the target tests on is not taken on trust: runs refuse weights that have seen their test part
(:func:`crossbench.nets.weights.init.check_unseen`).
"""

from __future__ import annotations

import dataclasses
import glob
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench import pretraining
from crossbench.environment.arithmetic import find_device
from crossbench.errors import RequestError
from crossbench.execution import local
from crossbench.execution.claims import Claims
from crossbench.execution.local import Teller, execute_all
from crossbench.nets.backbones import layer_form
from crossbench.nets.declarations import takes_image_weights
from crossbench.protocols import PROTOCOLS
from crossbench.results.records.store import Store
from crossbench.runs.estimate import estimate
from crossbench.specs.reader import from_mapping
from crossbench.specs.requests import ALL, RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import torch

    from crossbench.methods import Method
    from crossbench.pretraining import PretrainRequest
    from crossbench.runs.execute import Listener
    from crossbench.runs.plan import Plan, PlannedRun
    from crossbench.runs.request import Resolved
    from crossbench.specs import Preset, RunRecord

#: Protocols that are run where none is named.
COMPARED = tuple(name for name, protocol in PROTOCOLS.items() if protocol.compares_weights)
#: What a loop's pretraining is made with, beside Table I's settings.
SHORT = ("epochs=8", "batch_size=32", "step=3", "crop_scale=[0.5, 1.0]")


@dataclass(frozen=True, kw_only=True)
class TransferRequest:
    """A request to pretrain, transfer and compare.

    Attributes:
        source: A registered 2D task.
        run: The runs on one target task from random weights, whose folds hold the same groups as
            the source's; protocol and init are set for each part of the transfer.
        protocols: Names of protocols.
        pretrain_settings: Overrides of :data:`SHORT`, such as ``epochs=3``.
        inits: Weights to start from besides, as ``--init`` names them; where a method has none of
            them, it is left out.
        curve: Numbers of labelled samples, ``all`` for all of them, at each of which everything
            is run; empty for the number that the preset says.
        out: Results folder.
    """

    source: str
    run: RunRequest
    protocols: tuple[str, ...] = COMPARED
    pretrain_settings: tuple[str, ...] = ()
    inits: tuple[str, ...] = ()
    curve: tuple[str, ...] = ()
    out: str = "results"


@dataclass(frozen=True, kw_only=True)
class TransferPlan:
    """A transfer as far as it is known before anything is pretrained.

    Attributes:
        request: What was asked for.
        pretrainings: The 2D networks, one for each fold and form of layers.
        forms: The methods' names by what their 2D layers are called: those of one form share 2D
            weights.
        scratch: The plans from random weights, one a protocol and number of labelled samples;
            those from pretrained weights have the same runs.
        named: The plans from the other weights that are asked for.
    """

    request: TransferRequest
    forms: dict[str, list[str]]
    pretrainings: tuple[PretrainRequest, ...]
    scratch: tuple[Plan, ...]
    named: tuple[Plan, ...] = ()


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


def prepare(request: TransferRequest, store: Store, device: torch.device) -> TransferPlan:
    """Resolve every name, draw the folds and look up what is done.

    Raises:
        RequestError: If a name is unknown, or source and target do not go together.
        DataError: If data is missing or damaged.
    """
    run = dataclasses.replace(request.run, strict=True)
    request = dataclasses.replace(request, run=run)
    asked = [
        dataclasses.replace(run, protocol=name, settings=(*run.settings, *limit))
        for name in request.protocols
        for limit in _limits(request.curve)
    ]
    scratch = tuple(local.prepare(each, store) for each in asked)
    if not scratch:
        raise RequestError("no protocol is asked for; name one or more of " + ", ".join(PROTOCOLS))
    folds = sorted({(run.key.seed, run.key.fold) for run in scratch[0].runs})
    forms: dict[str, list[Method]] = defaultdict(list)
    planned = {run.key.method for run in scratch[0].runs}
    for method in scratch[0].request.methods:
        if method.name in planned and takes_image_weights(method):
            forms[layer_form(method)].append(method)
    return TransferPlan(
        request=request,
        forms={form: [method.name for method in methods] for form, methods in forms.items()},
        pretrainings=tuple(
            _pretrain_request(request, scratch[0].request, methods[0], seed, fold, device)
            for seed, fold in folds
            for methods in forms.values()
        ),
        scratch=scratch,
        named=tuple(
            local.prepare(dataclasses.replace(each, init=init), store)
            for init in request.inits
            for each in asked
        ),
    )


def _limits(curve: Sequence[str]) -> list[tuple[str, ...]]:
    """Overrides of the number of labelled samples, one for each part of a curve.

    Raises:
        RequestError: If a part is neither a number nor ``all``, or there are less than two.
    """
    if not curve:
        return [()]
    for part in curve:
        if part != ALL and not part.isdecimal():
            raise RequestError(f"curve part {part!r} is no number; name numbers, or all")
    if len(set(curve)) < max(2, len(curve)):
        msg = f"curve {','.join(curve)!r} needs two numbers of labelled samples or more, each once"
        raise RequestError(msg)
    return [(f"split.max_labelled={'none' if part == ALL else part}",) for part in curve]


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
        pretrained = [every] if left else _pretrained_plans(plan, store, scratch)
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


def run(
    plan: TransferPlan,
    store: Store,
    device: torch.device,
    *,
    watch_pretraining: Callable[[PretrainRequest], AbstractContextManager[pretraining.Listener]],
    watch_plans: Callable[[Sequence[Plan]], AbstractContextManager[Listener]],
) -> tuple[list[RunRecord], int]:
    """Pretrain what is missing, then run every protocol from random and from pretrained weights.

    Processes that do the same loop into one folder share its work.

    Args:
        plan: What to do.
        store: Where records go.
        device: Where networks run.
        watch_pretraining: Makes the listener of one pretraining.
        watch_plans: Makes the listener of the runs.

    Returns:
        The records of the runs that were not there before, and how many runs failed before and
        were left at that.
    """

    def pretrain(requests: Sequence[PretrainRequest], *, wait: bool) -> list[PretrainRequest]:
        each_alone, done = [[request] for request in requests], []
        for [request] in Claims(store.root).each(each_alone, _checkpoint, wait=wait):
            with watch_pretraining(request) as listener:
                pretraining.pretrain(request, listener=listener)
            done.append(request)
        return done

    def execute(plans: Sequence[Plan], *, wait: bool) -> list[RunRecord]:
        with watch_plans(plans) as listener:
            return execute_all(plans, store, device=device, listener=listener, wait=wait)

    # While others still pretrain, there are runs that need no pretrained weights.
    done = pretrain(plan.pretrainings, wait=False)
    execute([*plan.scratch, *plan.named], wait=False)
    pretrain([each for each in plan.pretrainings if each not in done], wait=True)
    plans = [*plan.named]
    for scratch in plan.scratch:
        plans += [scratch, *_pretrained_plans(plan, store, scratch)]
    return execute(plans, wait=True), sum(len(each.left_failed) for each in plans)


def help_transfer(request: dict[str, Any], *, device: str) -> None:
    """Share the work of a transfer with the process that has this one do it.

    Args:
        request: A :class:`TransferRequest` as JSON.
        device: As for :func:`crossbench.run`.
    """
    asked = from_mapping(TransferRequest, request, where="request")
    store = Store(Path(asked.out))
    if Claims(store.root).shared:
        run(
            prepare(asked, store, find_device(device)),
            store,
            find_device(device),
            watch_pretraining=lambda _: nullcontext(pretraining.Silence()),
            watch_plans=lambda _: nullcontext(Teller()),
        )


def _checkpoint(request: PretrainRequest) -> str:
    return str(pretraining.record_path(request).relative_to(request.out))


def _pretrained_plans(plan: TransferPlan, store: Store, scratch: Plan) -> list[Plan]:
    """The runs of a plan from pretrained weights, a plan for each form of layers."""
    return [
        local.prepare(
            dataclasses.replace(
                scratch.request.asked, methods=tuple(methods), init=_weights(plan, form)
            ),
            store,
        )
        for form, methods in plan.forms.items()
    ]


def _weights(plan: TransferPlan, form: str) -> str:
    """Where the pretrained weights of a form of layers lie, as an init that serves every fold."""
    request = next(each for each in plan.pretrainings if each.form == form)
    folder = str(pretraining.record_path(request).parent)
    if "{" in folder or "}" in folder:
        raise RequestError(f"results folder {folder!r} has a brace in its path; rename it")
    return f"{glob.escape(folder)}/seed{{seed}}-fold{{fold}}.*.safetensors"


def _pretrain_request(
    request: TransferRequest,
    target: Resolved,
    method: Method,
    seed: int,
    fold: int,
    device: torch.device,
) -> PretrainRequest:
    return pretraining.PretrainRequest(
        method=method,
        data=request.source,
        preset=_abundant(target.preset),
        settings=pretraining.make_settings([*SHORT, *request.pretrain_settings]),
        backbone=request.run.backbone,
        seed=seed,
        fold=fold,
        out=Path(request.out),
        device=device,
        data_dir=target.data_dir,
        cache_dir=target.cache_dir,
    )


def _abundant(preset: Preset) -> Preset:
    """The preset with every image labelled: it is volumes that are scarce."""
    return dataclasses.replace(preset, split=dataclasses.replace(preset.split, max_labelled=None))
