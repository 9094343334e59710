"""From a request to a plan: everything that a run needs is decided here, once."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.environment.provenance import package_versions
from crossbench.errors import DataError, MissingDataError, RequestError, SplitError
from crossbench.evaluation import plain as plain_baselines
from crossbench.files.hashing import hash_file, hash_json
from crossbench.nets.weights.init import find_init
from crossbench.protocols.plain import PLAIN
from crossbench.registry.method_identity import identify
from crossbench.results.records.identity import identity_of, seed_part, split_facts, task_facts
from crossbench.runs.compatibility import Trials
from crossbench.runs.exposure import check_unseen
from crossbench.runs.plan import Plan, PlannedRun, TaskPlan, with_passes
from crossbench.runs.samples import draw_splits, input_size, open_samples
from crossbench.specs import RunKey
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping

    from crossbench.data.dataset import Dataset
    from crossbench.methods import Method
    from crossbench.results.records.store import Store
    from crossbench.runs.compatibility import Apart
    from crossbench.runs.request import Resolved
    from crossbench.specs import Statistics, TaskCard


def make_plan(request: Resolved, store: Store, apart: Apart | None = None) -> Plan:
    """Open every task's data, draw its splits, look up what is done and whether the rest can be.

    Args:
        request: What is asked for.
        store: Where records are looked up.
        apart: Does work in a process of its own, as for
            :func:`crossbench.runs.compatibility.examine`.

    Raises:
        RequestError: If no requested method can do any requested task.
        DataError: If a named task's data is missing or damaged, or that of all tasks is.
    """
    tasks: list[TaskPlan] = []
    missing: dict[str, str] = {}
    broken: dict[str, str] = {}
    trials = Trials(request, apart)
    budget = request.asked.limit
    for card in request.tasks:
        methods = [method for method in request.methods if not trials.unsuited(method, card)]
        if not methods:
            continue
        try:
            dataset = open_samples(card, request.preset, request.data_dir, request.cache_dir)
            sample_shape = tuple(dataset.images.shape[1:])
            size = input_size(card, sample_shape, request.preset)
            shape = sample_shape[1:] if size is None else (size, size)
            runs = trials.passed(_runs(request, card, dataset, methods, store), card, shape)
            task = TaskPlan(
                card=card,
                source=dataset.source,
                sample_shape=sample_shape,
                size=size,
                shape=shape,
                runs=with_passes(itertools.islice(runs, budget), request.preset),
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
    _check_data(plan, strict=request.asked.strict or request.asked.tasks != (ALL,))
    return plan


def _check_something_applies(plan: Plan) -> None:
    if plan.tasks or plan.missing or plan.broken:
        return
    reasons = "\n".join(f"not applicable: {each}" for each in plan.not_applicable)
    msg = "no requested method can do any requested task"
    raise RequestError(f"{msg} (`crossbench list methods` shows what runs where):\n{reasons}")


def _check_data(plan: Plan, *, strict: bool) -> None:
    """Named tasks must have data; under ``all``, some task must."""
    if plan.missing and (strict or not plan.tasks):
        raise MissingDataError("\n".join(plan.missing.values()))
    if plan.broken and (strict or not plan.tasks):
        raise DataError("\n".join(f"{name}: {why}" for name, why in plan.broken.items()))


def _runs(
    request: Resolved, card: TaskCard, dataset: Dataset, methods: list[Method], store: Store
) -> Iterator[PlannedRun]:
    """Runs of one task: for each fold the methods, then the plain baselines."""
    settings = {method.name: _settings(request, method) for method in methods}
    identities = {method.name: identify(method) for method in methods}
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
        of_split = RunKey(
            preset=request.preset.name,
            task=card.name,
            method="",
            backbone="none",
            init="none",
            protocol=PLAIN.name,
            seed=split.seed,
            fold=split.fold,
        )
        for method in methods:
            init = find_init(
                request.asked.init,
                method,
                seed=split.seed,
                fold=split.fold,
                statistics=_statistics(request, card, method),
            )
            check_unseen(init, dataset, split, task=card.name)
            identity = identities[method.name]
            key = dataclasses.replace(
                of_split,
                method=method.name,
                backbone=request.asked.backbone,
                init=init.name,
                protocol=request.protocol.name,
            )
            hashes = {
                "name": key.method,
                **parts,
                "method": identity.sha256,
                "config": hash_json(settings[method.name]),
                **init.hashes,
            }
            run = PlannedRun(
                key=key,
                identity=identity_of(hashes),
                hashes=hashes,
                facts=facts | {"method": identity.facts},
                split=split,
                protocol=request.protocol,
                method=method,
                init=init,
                settings=settings[method.name],
                feature_key=_feature_key(request, key, hashes),
                done=False,
            )
            yield _looked_up(run, request, store)
        for name in plain:
            key = dataclasses.replace(of_split, method=name)
            hashes = {"name": name, **parts, "method": own_source}
            run = PlannedRun(
                key=key,
                identity=identity_of(hashes),
                hashes=hashes,
                facts=facts,
                split=split,
                protocol=PLAIN,
                feature_key=identity_of(hashes),
                done=False,
            )
            yield _looked_up(run, request, store)


def _statistics(request: Resolved, card: TaskCard, method: Method) -> Statistics | None:
    """Whose channel statistics are asked for; the paper's scripts fix them for some methods."""
    fixed = card.dimension == 3 and method.name in request.preset.input.radimagenet_3d
    return request.statistics or ("radimagenet" if fixed else None)


def _settings(request: Resolved, method: Method) -> dict[str, Any]:
    """Every setting that bears on how a method is fitted, and none that does not."""
    preset = request.preset
    settings: dict[str, Any] = {
        "backbone": request.asked.backbone,
        "drop_keys": list(preset.drop_keys.get(method.name, ())),
        **preset.compute.fingerprint(),
        **request.protocol.settings(preset),
    }
    if request.statistics is not None:
        settings["statistics"] = request.statistics
    return settings


def _looked_up(run: PlannedRun, request: Resolved, store: Store) -> PlannedRun:
    """A run, which is done if a record says so."""
    earlier = store.changed(run.key, run.identity)
    record = store.find(run.key, run.identity)
    done = record is not None and request.is_answered_by(record)
    failed = done and record is not None and record.status == "failed"
    return dataclasses.replace(run, done=done, failed=failed, earlier=earlier)


def _feature_key(request: Resolved, key: RunKey, hashes: Mapping[str, str]) -> Hashable:
    """What a run's features have in common with those of others on its task.

    Weights are drawn for each method and seed, and serve all folds; only weights of the fold's
    own, or a value range that is taken over the training part, make each fold different.
    """
    if not request.protocol.shares_features:
        return identity_of(hashes)
    own = request.preset.input.scaling == "train" or "weights" in hashes
    return key.method, key.seed, key.fold if own else None
