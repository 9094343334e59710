"""From a request to runs: what is asked for, what is done, what is missing."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from crossbench.data.sources import open_task
from crossbench.data.splits import Split, make_splits
from crossbench.data.subset import subset
from crossbench.environment.arithmetic import derive_seed
from crossbench.environment.provenance import package_versions
from crossbench.errors import DataError, MissingDataError, RequestError, SplitError
from crossbench.evaluation import plain as plain_baselines
from crossbench.files.hashing import hash_file, hash_json
from crossbench.nets.weights.init import Init, find_init
from crossbench.protocols import LinearProbe
from crossbench.registry.method_identity import identify
from crossbench.registry.tasks import load_tasks
from crossbench.results.records.identity import identity_of, seed_part, split_facts, task_facts
from crossbench.runs.compatibility import Trials
from crossbench.runs.exposure import check_unseen
from crossbench.specs import RunKey
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossbench.data.dataset import Dataset
    from crossbench.methods import Method
    from crossbench.protocols import Protocol
    from crossbench.results.records.store import Store
    from crossbench.runs.compatibility import Apart, Finding, NotApplicable
    from crossbench.specs import DataSource, Preset, RunRecord, Statistics, TaskCard


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked for, every name resolved.

    Attributes:
        methods: The methods to run.
        tasks: The tasks to run them on.
        preset: Settings, overrides applied.
        protocol: How networks are fitted.
        init: Where weights come from, as :func:`crossbench.nets.weights.init.find_init` reads it.
        backbone: timm name of the 2D network.
        statistics: Whose channel statistics normalise inputs; None asks the weights.
        data_dir: Where downloaded data lies.
        cache_dir: Where phantoms and hashes are kept.
        limit: At most so many runs.
        diagnostics: Whether a network is looked into once it is tested.
        save_weights: Whether fitted networks are kept; one that was not is fitted again.
        retry_failed: Whether runs whose record says that they failed are done again.
        asked: The arguments of :func:`crossbench.api.prepare` that it came from, as JSON: how
            another process comes by the same request.
        left_out: What keeps registered methods out of ``all``, one message each.
    """

    methods: tuple[Method, ...]
    tasks: tuple[TaskCard, ...]
    preset: Preset
    protocol: Protocol
    init: str
    backbone: str
    data_dir: Path
    cache_dir: Path
    statistics: Statistics | None = None
    limit: int | None = None
    diagnostics: bool = False
    save_weights: bool = False
    left_out: tuple[str, ...] = ()
    retry_failed: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run to be, or one that is already done.

    Attributes:
        key: What it is.
        identity: SHA-256 over everything that changes the number.
        hashes: The parts of that identity, by name.
        facts: What some of these parts are the hashes of, by name.
        split: The samples it trains, selects and tests on, as dataset indices.
        done: Whether a valid record with this identity exists that is all that is asked for.
        failed: Whether that record says that the run failed, which is then left at that.
        earlier: When an earlier record of it was written, in nanoseconds; None if there is none.
        init: The weights it starts from; None for a plain baseline.
        noticed: What building its network has shown that its record should say.
    """

    key: RunKey
    identity: str
    hashes: dict[str, str]
    split: Split
    done: bool
    failed: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    earlier: int | None = None
    init: Init | None = None
    noticed: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of its result should know."""
        of_init = self.init.warnings if self.init is not None else ()
        return (*self.split.warnings, *of_init, *self.noticed)


@dataclass(frozen=True, kw_only=True)
class Passes:
    """How many samples a run puts through its network, those that come again counted again."""

    train: int = 0
    evaluate: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.train + self.evaluate


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """The runs on one task, and the source and shape of what they read."""

    card: TaskCard
    source: DataSource
    sample_shape: tuple[int, ...]
    runs: tuple[PlannedRun, ...]

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs without a valid record."""
        return tuple(run for run in self.runs if not run.done)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the results should know, and of how many splits where not of all."""
        splits = {(run.key.seed, run.key.fold): run.split.warnings for run in self.runs}
        counted = Counter(warning for warnings in splits.values() for warning in warnings)
        return tuple(
            warning if count == len(splits) else f"{warning} ({count} of {len(splits)} splits)"
            for warning, count in counted.items()
        )


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A request against the data and the results that are there.

    Attributes:
        request: What was asked for.
        tasks: Tasks with data, and their runs.
        missing: Remedy by task, where the data is not on this machine.
        broken: Complaint by task, where the data is damaged or cannot be split.
        not_applicable: What cannot be, and why.
        findings: What building the networks of the runs to do has shown, by method and task.
    """

    request: Request
    tasks: tuple[TaskPlan, ...]
    missing: dict[str, str]
    broken: dict[str, str]
    not_applicable: tuple[NotApplicable, ...]
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """Every run, in the order of execution."""
        return tuple(run for task in self.tasks for run in task.runs)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs without a valid record, in the order of execution."""
        return tuple(run for run in self.runs if not run.done)

    @property
    def left_failed(self) -> tuple[PlannedRun, ...]:
        """The runs that failed before and are not tried again."""
        return tuple(run for run in self.runs if run.failed)

    def restrict(self, todo: Mapping[str, int | None]) -> Plan:
        """The plan with no more to do than another process has found.

        Args:
            todo: When the earlier record of each run to do was written, by identity.
        """

        def runs(task: TaskPlan) -> tuple[PlannedRun, ...]:
            return tuple(
                dataclasses.replace(
                    run,
                    done=run.identity not in todo,
                    failed=run.failed and run.identity not in todo,
                    earlier=todo.get(run.identity),
                )
                for run in task.runs
            )

        tasks = tuple(dataclasses.replace(task, runs=runs(task)) for task in self.tasks)
        return dataclasses.replace(self, tasks=tasks)


def make_plan(request: Request, store: Store, apart: Apart | None = None) -> Plan:
    """Open every task's data, draw its splits, look up what is done and whether the rest can be.

    Raises:
        RequestError: If no requested method can do any requested task.
    """
    tasks: list[TaskPlan] = []
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    trials = Trials(request, apart)
    budget = request.limit
    for card in request.tasks:
        methods = [method for method in request.methods if not trials.unsuited(method, card)]
        if not methods:
            continue
        try:
            dataset = open_dataset(request, card)
            sample_shape = tuple(dataset.images.shape[1:])
            shape = input_shape(card, sample_shape, request.preset)
            runs = trials.passed(_runs(request, card, dataset, methods, store), card, shape)
            task = TaskPlan(
                card=card,
                source=dataset.source,
                sample_shape=sample_shape,
                runs=tuple(itertools.islice(runs, budget)),
            )
        except SplitError as error:
            broken[card.name] = f"{dataset.file.name}: {error}"
        except MissingDataError as error:
            missing[card.name] = str(error)
        except DataError as error:
            broken[card.name] = str(error)
        else:
            if all(run.key.plain for run in task.runs) and trials.refused(card):
                continue  # plain baselines are shown beside methods
            tasks.append(task)
            if budget is not None:
                budget -= len(task.runs)
    plan = Plan(
        request=request,
        tasks=tuple(tasks),
        missing=missing,
        broken=broken,
        not_applicable=trials.not_applicable(),
        findings=trials.findings,
    )
    _check_something_applies(plan)
    return plan


def open_dataset(request: Request, card: TaskCard) -> Dataset:
    """The task's samples from the source that the preset names."""
    return open_task(
        card,
        data=choose_data(card, request.preset),
        data_dir=request.data_dir,
        cache_dir=request.cache_dir,
    )


def choose_data(card: TaskCard, preset: Preset) -> Literal["real", "phantom"]:
    """Which data a preset means for a card.

    Phantoms stand in for what a user would have to download; a card of the user's own has
    its data at hand.
    """
    return preset.data if card.name in load_tasks() else "real"


def count_passes(plan: Plan) -> dict[str, Passes]:
    """What each run that is still to do puts through its network, by the run's identity.

    Under a linear probe, runs that share their features leave the work to the first of them.
    """
    counted: dict[str, Passes] = {}
    extracted = set()
    for run in plan.todo:
        train, val, test = len(run.split.train), len(run.split.val), len(run.split.test)
        source = (run.key.task, *feature_source(plan.request, run))
        if run.key.plain or source in extracted:
            counted[run.identity] = Passes()
        elif isinstance(plan.request.protocol, LinearProbe):
            counted[run.identity] = Passes(evaluate=train + val + test)
            extracted.add(source)
        else:
            epochs = plan.request.preset.fit.epochs
            counted[run.identity] = Passes(train=epochs * train, evaluate=epochs * val + test)
    return counted


def feature_source(request: Request, run: PlannedRun) -> tuple[str, int, int | None]:
    """What distinguishes a frozen network's features among the runs of one task.

    Weights are drawn for each method and seed, and serve all folds; only weights of the fold's
    own, or a value range that is taken over the training part, make each fold different.
    """
    own = request.preset.input.scaling == "train" or "weights" in run.hashes
    return run.key.method, run.key.seed, run.key.fold if own else None


def _check_something_applies(plan: Plan) -> None:
    if plan.tasks or plan.missing or plan.broken:
        return
    reasons = "\n".join(f"not applicable: {each}" for each in plan.not_applicable)
    msg = "no requested method can do any requested task"
    raise RequestError(f"{msg} (`crossbench list methods` shows what runs where):\n{reasons}")


def _runs(
    request: Request, card: TaskCard, dataset: Dataset, methods: list[Method], store: Store
) -> Iterator[PlannedRun]:
    """Runs of one task: for each fold the methods, then the plain baselines."""
    hashes = {method.name: _method_hashes(request, method) for method in methods}
    own_source = hash_file(Path(plain_baselines.__file__))
    plain = plain_baselines.applicable_plain(has_covariate=dataset.covariate is not None)
    for split in draw_splits(request.preset, dataset):
        facts = {
            "task": task_facts(card),
            "split": split_facts(request.preset, split, dataset.labels),
        }
        parts = {
            "harness": package_versions()["crossbench"],
            "source": dataset.source,
            "data": dataset.content_hash,
            "seed": seed_part(split.seed, split.fold),
            **{name: hash_json(fact) for name, fact in facts.items()},
        }
        for method in methods:
            init = find_init(
                request.init,
                method,
                seed=split.seed,
                fold=split.fold,
                statistics=_statistics(request, card, method),
            )
            check_unseen(init, dataset, split, task=card.name)
            key = _key(request, card, method.name, split, init)
            own = parts | hashes[method.name] | init.hashes
            made_of = {"method": identify(method).facts}
            yield _planned(request, key, split, own, facts | made_of, store, init)
        for name in plain:
            key = _key(request, card, name, split, None)
            own = parts | {"method": own_source}
            yield _planned(request, key, split, own, facts, store, None)


def _statistics(request: Request, card: TaskCard, method: Method) -> Statistics | None:
    """Whose channel statistics are asked for; the paper's scripts fix them for some methods."""
    fixed = card.dimension == 3 and method.name in request.preset.input.radimagenet_3d
    return request.statistics or ("radimagenet" if fixed else None)


def _planned(
    request: Request,
    key: RunKey,
    split: Split,
    parts: dict[str, str],
    facts: dict[str, Any],
    store: Store,
    init: Init | None,
) -> PlannedRun:
    """A run, which is done if a record says so."""
    hashes = {"name": key.method} | parts
    identity = identity_of(hashes)
    earlier = store.changed(key, identity)
    record = store.find(key, identity)
    done = record is not None and is_finished(record, request)
    return PlannedRun(
        key=key,
        identity=identity,
        hashes=hashes,
        facts=facts,
        split=split,
        done=done,
        failed=done and record is not None and record.status == "failed",
        earlier=earlier,
        init=init,
    )


def is_finished(record: RunRecord, request: Request) -> bool:
    """Whether a record is all that is asked for.

    A network's weights too, where they are kept. A failure is an answer, unless it is to be tried
    again.
    """
    if record.status == "failed":
        return not request.retry_failed
    lacks_weights = request.save_weights and record.weights is None and not record.key.plain
    return not lacks_weights


def draw_splits(preset: Preset, dataset: Dataset) -> list[Split]:
    """The preset's folds over the samples it uses, as indices into the dataset.

    What is to be known of the data is said on each of them.
    """
    return [
        dataclasses.replace(split, warnings=(*dataset.warnings, *split.warnings))
        for split in _drawn(preset, dataset)
    ]


def _drawn(preset: Preset, dataset: Dataset) -> list[Split]:
    limit = preset.input.max_samples
    strata = dataset.labels if dataset.strata is None else dataset.strata
    if limit is None or limit >= len(dataset):
        return make_splits(preset.split, strata, dataset.groups, dataset.official)
    seed = derive_seed("subset", limit)
    split = preset.split
    least = split.folds + 1 if split.scheme == "standard" else 1  # a test part, and both others
    chosen = subset(strata, dataset.groups, limit, seed % 2**32, least_groups=least)
    parts = make_splits(
        preset.split,
        strata[chosen],
        None if dataset.groups is None else dataset.groups[chosen],
        None if dataset.official is None else dataset.official[chosen],
    )
    return [
        dataclasses.replace(
            part, train=chosen[part.train], val=chosen[part.val], test=chosen[part.test]
        )
        for part in parts
    ]


def _key(request: Request, card: TaskCard, method: str, split: Split, init: Init | None) -> RunKey:
    """What a run is called; a plain baseline has no init, nor a network to start with."""
    return RunKey(
        preset=request.preset.name,
        task=card.name,
        method=method,
        backbone="none" if init is None else request.backbone,
        init="none" if init is None else init.name,
        protocol="plain" if init is None else request.protocol.name,
        seed=split.seed,
        fold=split.fold,
    )


def _method_hashes(request: Request, method: Method) -> dict[str, str]:
    return {
        "method": identify(method).sha256,
        "config": hash_json(fit_settings(request, method)),
    }


def fit_settings(request: Request, method: Method) -> dict[str, Any]:
    """Every setting that bears on how a method is fitted, and none that does not."""
    preset = request.preset
    inputs = to_mapping(preset.input)
    del inputs["max_samples"]  # the split's indices say it exactly
    settings: dict[str, Any] = {
        "backbone": request.backbone,
        "protocol": to_mapping(request.protocol),
        "input": inputs,
        "fit": to_mapping(preset.fit),
        "precision": preset.compute.precision,
        "tf32": preset.compute.tf32,
        "drop_keys": list(preset.drop_keys.get(method.name, ())),
    }
    if request.statistics is not None:
        settings["statistics"] = request.statistics
    if isinstance(request.protocol, LinearProbe):  # no epochs, no augmentation
        del settings["fit"], inputs["augment"], inputs["crop_scale"]
        del inputs["jitter_order"], inputs["forked_workers"]
    elif request.protocol.adapts:
        settings["lora"] = to_mapping(preset.lora)
    return settings


def task_hash(card: TaskCard) -> str:
    """Hash of the facts on a card that reach the numbers."""
    return hash_json(task_facts(card))


def card_hash(card: TaskCard) -> str:
    """Hash of a whole card, for the record."""
    return hash_json(to_mapping(card))


def input_shape(card: TaskCard, sample_shape: tuple[int, ...], preset: Preset) -> tuple[int, ...]:
    """Spatial shape of what a network is fed, for samples of shape (C, *spatial) as stored."""
    size = input_size(card, sample_shape, preset)
    return sample_shape[1:] if size is None else (size, size)


def input_size(card: TaskCard, sample_shape: tuple[int, ...], preset: Preset) -> int | None:
    """Side length in pixels that a 2D network is fed; None for volumes, fed as stored."""
    if card.dimension == 3:
        return None
    size = card.input_size or int(np.min(sample_shape[1:]))
    return min(size, preset.input.max_size or size)
