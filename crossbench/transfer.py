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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench import api, pretraining
from crossbench.errors import RequestError
from crossbench.execution.claims import Claims
from crossbench.execution.local import execute_all
from crossbench.files.paths import cache_dir, data_dir
from crossbench.nets.backbones import layer_form
from crossbench.protocols import PROTOCOLS
from crossbench.registry.presets import find_preset, override
from crossbench.runs.estimate import estimate
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import torch

    from crossbench.methods import Method
    from crossbench.pretraining import PretrainRequest
    from crossbench.results.records.store import Store
    from crossbench.runs.execute import Listener
    from crossbench.runs.plan import Plan, PlannedRun
    from crossbench.specs import Preset, RunRecord

#: What a loop's pretraining is made with, beside Table I's settings.
SHORT = ("epochs=8", "batch_size=32", "step=3", "crop_scale=[0.5, 1.0]")


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What is to be pretrained on, transferred to, and compared.

    Attributes:
        source: A registered 2D task.
        target: A task whose folds hold the same groups as the source's.
        methods: Names of methods.
        protocols: Names of protocols.
        preset: How both tasks are divided and the transferred networks fitted.
        settings: Overrides of the preset, such as ``fit.epochs=3``.
        pretrain_settings: Overrides of :data:`SHORT`, such as ``epochs=3``.
        seeds: Repetitions; the preset's where None.
        folds: Folds; all where None.
        backbone: timm name of the 2D network.
        plugins: Python files that define further methods.
        data_dir: Where downloaded data lies.
        retry_failed: Whether runs that failed before are run again.
        out: Results folder.
    """

    source: str
    target: str
    methods: Sequence[str]
    protocols: Sequence[str] = tuple(PROTOCOLS)
    preset: str = "transfer"
    settings: Sequence[str] = ()
    pretrain_settings: Sequence[str] = ()
    seeds: Sequence[int] | None = None
    folds: Sequence[int] | None = None
    backbone: str = "resnet18"
    plugins: Sequence[str] = ()
    data_dir: str | Path | None = None
    retry_failed: bool = False
    out: Path = Path("results")


@dataclass(frozen=True, kw_only=True)
class Loop:
    """A loop as far as it is known before anything is pretrained.

    Attributes:
        ask: What was asked for.
        pretrainings: The 2D networks, one for each fold and form of layers.
        forms: The methods' names by what their 2D layers are called: those of one form share 2D
            weights.
        scratch: The plans from random weights, one a protocol; those from pretrained weights
            have the same runs.
    """

    ask: Ask
    forms: dict[str, list[str]]
    pretrainings: tuple[PretrainRequest, ...]
    scratch: tuple[Plan, ...]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A line of a loop's estimate.

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


def prepare(ask: Ask, store: Store, device: torch.device) -> Loop:
    """Resolve every name, draw the folds and look up what is done.

    Raises:
        RequestError: If a name is unknown, or source and target do not go together.
        DataError: If data is missing or damaged.
    """
    scratch = tuple(_plan(ask, store, protocol, ask.methods, RANDOM) for protocol in ask.protocols)
    if not scratch:
        raise RequestError("no protocol is asked for; name one or more of " + ", ".join(PROTOCOLS))
    folds = sorted({(run.key.seed, run.key.fold) for run in scratch[0].runs})
    forms: dict[str, list[Method]] = defaultdict(list)
    for method in scratch[0].request.methods:
        forms[layer_form(method)].append(method)
    return Loop(
        ask=ask,
        forms={form: [method.name for method in methods] for form, methods in forms.items()},
        pretrainings=tuple(
            _pretrain_request(ask, methods[0], seed, fold, device)
            for seed, fold in folds
            for methods in forms.values()
        ),
        scratch=scratch,
    )


def estimate_loop(loop: Loop, store: Store, device: torch.device) -> list[Stage]:
    """What each stage of a loop would take on a device; runs that are done take nothing.

    Until everything is pretrained, runs from pretrained weights count as runs to do. The runs of
    a protocol are taken to last equally long from whichever weights.
    """
    left = [each for each in loop.pretrainings if not pretraining.finished(each)]
    costs = {each.form: each for each in left}
    seconds = {form: pretraining.estimate_seconds(each) for form, each in costs.items()}
    first = Stage(
        what=f"pretrain on {loop.ask.source}",
        count=len(loop.pretrainings),
        todo=len(left),
        seconds=sum(seconds[each.form] for each in left),
    )
    stages = [first]
    for scratch in loop.scratch:
        name = scratch.request.protocol.name
        every = _afresh(scratch)
        pretrained = [every] if left else _pretrained_plans(loop, store, name)
        runs = [
            (f"{name}, random weights", _networks(scratch)),
            (f"{name}, pretrained", [run for plan in pretrained for run in _networks(plan)]),
        ]
        to_do = any(not run.done for _, networks in runs for run in networks)
        each = _seconds(every, device) / len(every.todo) if to_do else 0.0
        stages += [_stage(what, networks, each) for what, networks in runs]
    return stages


def _networks(plan: Plan) -> list[PlannedRun]:
    return [run for run in plan.runs if not run.key.plain]


def _seconds(plan: Plan, device: torch.device) -> float:
    return sum(estimate(plan, device).seconds.values())


def _stage(what: str, networks: Sequence[PlannedRun], seconds_each: float) -> Stage:
    todo = sum(not run.done for run in networks)
    return Stage(what=what, count=len(networks), todo=todo, seconds=todo * seconds_each)


def _afresh(plan: Plan) -> Plan:
    """The plan's networks with none of them done."""
    tasks = tuple(
        dataclasses.replace(
            task, runs=tuple(dataclasses.replace(run, done=run.key.plain) for run in task.runs)
        )
        for task in plan.tasks
    )
    return dataclasses.replace(plan, tasks=tasks)


def run(
    loop: Loop,
    store: Store,
    device: torch.device,
    *,
    watch_pretraining: Callable[[PretrainRequest], AbstractContextManager[pretraining.Listener]],
    watch_plans: Callable[[Sequence[Plan]], AbstractContextManager[Listener]],
) -> tuple[list[RunRecord], int]:
    """Pretrain what is missing, then run every protocol from random and from pretrained weights.

    Processes that do the same loop into one folder share its work.

    Args:
        loop: What to do.
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
        for request in Claims(store.root).each(each_alone, _checkpoint, wait=wait):
            with watch_pretraining(request) as listener:
                pretraining.pretrain(request, listener=listener)
            done.append(request)
        return done

    def execute(plans: Sequence[Plan], *, wait: bool) -> list[RunRecord]:
        with watch_plans(plans) as listener:
            return execute_all(plans, store, device=device, listener=listener, wait=wait)

    # While others still pretrain, there are runs that need no pretrained weights.
    done = pretrain(loop.pretrainings, wait=False)
    execute(loop.scratch, wait=False)
    pretrain([each for each in loop.pretrainings if each not in done], wait=True)
    plans = [
        plan
        for scratch in loop.scratch
        for plan in (scratch, *_pretrained_plans(loop, store, scratch.request.protocol.name))
    ]
    return execute(plans, wait=True), sum(len(plan.left_failed) for plan in plans)


def _checkpoint(request: PretrainRequest) -> str:
    return str(pretraining.record_path(request).relative_to(request.out))


def _pretrained_plans(loop: Loop, store: Store, protocol: str) -> list[Plan]:
    """The runs of a protocol from pretrained weights, a plan for each form of layers."""
    return [
        _plan(loop.ask, store, protocol, methods, _weights(loop, form))
        for form, methods in loop.forms.items()
    ]


def _weights(loop: Loop, form: str) -> str:
    """Where the pretrained weights of a form of layers lie, as an init that serves every fold."""
    request = next(each for each in loop.pretrainings if each.form == form)
    folder = str(pretraining.record_path(request).parent)
    if "{" in folder or "}" in folder:
        raise RequestError(f"results folder {folder!r} has a brace in its path; rename it")
    return f"{glob.escape(folder)}/seed{{seed}}-fold{{fold}}.*.safetensors"


def _plan(ask: Ask, store: Store, protocol: str, methods: Sequence[str], init: str) -> Plan:
    return api.prepare(
        methods,
        ask.target,
        store=store,
        preset=ask.preset,
        init=init,
        protocol=protocol,
        backbone=ask.backbone,
        seeds=ask.seeds,
        folds=ask.folds,
        settings=ask.settings,
        plugins=ask.plugins,
        data_dir=ask.data_dir,
        retry_failed=ask.retry_failed,
        strict=True,
    )


def _pretrain_request(
    ask: Ask, method: Method, seed: int, fold: int, device: torch.device
) -> PretrainRequest:
    return pretraining.PretrainRequest(
        method=method,
        data=ask.source,
        preset=_abundant(override(find_preset(ask.preset), ask.settings)),
        settings=pretraining.make_settings([*SHORT, *ask.pretrain_settings]),
        backbone=ask.backbone,
        seed=seed,
        fold=fold,
        out=ask.out,
        device=device,
        data_dir=data_dir(ask.data_dir),
        cache_dir=cache_dir(),
    )


def _abundant(preset: Preset) -> Preset:
    """The preset with every image labelled: it is volumes that are scarce."""
    return dataclasses.replace(preset, split=dataclasses.replace(preset.split, max_labelled=None))
