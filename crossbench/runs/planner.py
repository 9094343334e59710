"""From a request to a plan: everything that a run needs is decided here, once."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING

from crossbench.data.acquire.status import command
from crossbench.data.inputs import kind_of
from crossbench.errors import DataError, MissingDataError, RequestError, SplitError
from crossbench.evaluation.baselines import applicable
from crossbench.files.data_root import DataRoot
from crossbench.runs.compatibility import Trials
from crossbench.runs.decisions import Fold
from crossbench.runs.exposure import check_apart
from crossbench.runs.plan import Plan, PlannedRun, TaskPlan, with_passes
from crossbench.runs.samples import draw_splits, open_samples
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from crossbench.data.dataset import Dataset
    from crossbench.methods import Method
    from crossbench.results.records.store import Store
    from crossbench.runs.compatibility import Apart
    from crossbench.runs.request import Resolved
    from crossbench.specs import TaskCard


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
            check_apart(dataset, task=card.name)
            plain = applicable(dataset)
            runs = trials.passed(
                _runs(request, card, dataset, methods, plain, store),
                card,
                _fed_shape(request, card, dataset),
            )
            task = _task_plan(request, card, dataset, itertools.islice(runs, budget))
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


def plan_again(
    request: Resolved,
    store: Store,
    *,
    task: str,
    method: str,
    seeds: Sequence[int],
    folds: Sequence[int],
) -> tuple[TaskPlan, Dataset]:
    """Plan the runs of one method on one task as :func:`make_plan` has in another process.

    Nothing is tried: that it can be is known.

    Args:
        request: What that process was asked for.
        store: As for :func:`make_plan`.
        task: Name of the task.
        method: Name of the method or plain baseline.
        seeds: The seeds of those runs.
        folds: Their folds.

    Returns:
        The runs, and the samples that they were planned on.

    Raises:
        DataError: If the task's data is missing or damaged since.
    """
    split = dataclasses.replace(request.preset.split, seeds=tuple(seeds), run_folds=tuple(folds))
    request = dataclasses.replace(request, preset=dataclasses.replace(request.preset, split=split))
    card = next(card for card in request.tasks if card.name == task)
    dataset = open_samples(card, request.preset, request.data_dir, request.cache_dir)
    methods = [each for each in request.methods if each.name == method]
    plain = [] if methods else [method]
    runs = _runs(request, card, dataset, methods, plain, store)
    return _task_plan(request, card, dataset, runs), dataset


def _task_plan(
    request: Resolved, card: TaskCard, dataset: Dataset, runs: Iterable[PlannedRun]
) -> TaskPlan:
    return TaskPlan(
        card=card,
        source=dataset.source,
        sample_shape=tuple(dataset.images.shape[1:]),
        shape=_fed_shape(request, card, dataset),
        runs=with_passes(runs, request.preset),
        origin=dataset.origin,
    )


def _fed_shape(request: Resolved, card: TaskCard, dataset: Dataset) -> tuple[int, ...]:
    """Spatial shape of what a network is fed."""
    stored = tuple(dataset.images.shape[2:])
    return kind_of(card).fed_shape(card, stored, request.preset.input)


def _check_something_applies(plan: Plan) -> None:
    if plan.tasks or plan.missing or plan.broken:
        return
    reasons = "\n".join(f"not applicable: {each}" for each in plan.not_applicable)
    msg = "no requested method can do any requested task"
    raise RequestError(f"{msg} (`crossbench list methods` shows what runs where):\n{reasons}")


def _check_data(plan: Plan, *, strict: bool) -> None:
    """Named tasks must have data; under ``all``, some task must."""
    if plan.missing and (strict or not plan.tasks):
        raise MissingDataError("\n".join([*plan.missing.values(), *_to_copy(plan)]))
    if plan.broken and (strict or not plan.tasks):
        raise DataError("\n".join(f"{name}: {why}" for name, why in plan.broken.items()))


def _to_copy(plan: Plan) -> list[str]:
    """The commands that bring the data of several tasks, one a line."""
    missing = [card for card in plan.request.tasks if card.name in plan.missing]
    cards = [part for card in missing for part in card.parts if part.origins]
    commands = [command(card, DataRoot(plan.request.data_dir)) for card in cards]
    return ["To get them:", *commands] if len(commands) > 1 else []


def _runs(
    request: Resolved,
    card: TaskCard,
    dataset: Dataset,
    methods: Sequence[Method],
    plain: Sequence[str],
    store: Store,
) -> Iterator[PlannedRun]:
    """Runs of one task: for each fold the methods, then the plain baselines."""
    for split in draw_splits(request.preset, dataset):
        fold = Fold(request=request, card=card, dataset=dataset, split=split)
        for method in methods:
            yield _looked_up(fold.network_run(method), request, store)
        for name in plain:
            yield _looked_up(fold.plain_run(name), request, store)


def _looked_up(run: PlannedRun, request: Resolved, store: Store) -> PlannedRun:
    """A run, which is done if a record says so."""
    earlier = store.changed(run.key, run.identity)
    record = store.find(run.key, run.identity)
    done = record is not None and request.is_answered_by(record)
    failed = done and record is not None and record.status == "failed"
    return dataclasses.replace(run, done=done, failed=failed, earlier=earlier)
