"""Running and reading a benchmark from Python; the command line is a thin shell over this."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args

from crossbench.environment.arithmetic import find_device
from crossbench.environment.state import importing, own_randomness, restored
from crossbench.errors import DataError, MissingDataError, RequestError, unknown_name
from crossbench.evaluation.metrics import METRICS
from crossbench.execution import isolation
from crossbench.execution.attempts import Attempts
from crossbench.execution.local import execute, execute_one
from crossbench.files.paths import cache_dir, data_dir, named_path
from crossbench.protocols import find_protocol
from crossbench.registry.methods import ALL, choose_methods, split_names
from crossbench.registry.presets import choose_preset
from crossbench.registry.tasks import find_task, load_tasks
from crossbench.results.records.store import Store, load_results
from crossbench.runs.plan import Plan, Request, make_plan
from crossbench.specs import RANDOM, Statistics

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from crossbench.specs import TaskCard


class Options(TypedDict, total=False):
    """What a request may say beyond its methods and tasks.

    Attributes:
        preset: ``paper``, ``standard`` (the default) or ``smoke``.
        init: ``random`` (the default) or a checkpoint path.
        statistics: ``imagenet`` or ``radimagenet``: whose channel statistics normalise inputs;
            by default those that the weights were made with (docs/weights.md).
        protocol: How networks are fitted; the preset's by default.
        backbone: timm name of the 2D network; ``resnet18`` by default.
        seeds: Repetitions; the preset's by default.
        folds: Folds of each repetition; the preset's by default.
        settings: Overrides such as ``"fit.epochs=5"``.
        plugins: Python files that define further methods.
        data_dir: Where downloaded data lies.
        limit: At most so many runs.
        strict: Whether missing data is an error even where all tasks are asked for.
        diagnostics: Whether runs write what their layers tell of themselves beside their
            records, where they have any that do (docs/diagnostics.md).
        save_weights: Whether fitted networks are kept beside their records, for
            ``crossbench predict``; a run without is then run again.
        retry_failed: Whether runs that failed before are run again.
    """

    preset: str
    init: str | Path
    statistics: Statistics | None
    protocol: str | None
    backbone: str
    seeds: Sequence[int] | None
    folds: Sequence[int] | None
    settings: Sequence[str]
    plugins: Sequence[str]
    data_dir: str | Path | None
    limit: int | None
    strict: bool
    diagnostics: bool
    save_weights: bool
    retry_failed: bool


def run(
    method: str | Sequence[str] = ALL,
    task: str | Sequence[str] = ALL,
    *,
    out: str | Path = "results",
    device: str = "auto",
    fail_fast: bool = False,
    **options: Unpack[Options],
) -> pd.DataFrame:
    """Run methods over tasks and return the results, those already there included.

    Args:
        method: Name, names, or ``"all"``.
        task: Name, path of a card, several of them, or ``"all"``.
        out: Results folder; valid records in it are not run again.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        fail_fast: Whether the first failure ends the run.
        **options: What else is asked for, as :class:`Options` describes it.

    Returns:
        One row a run, as from ``load_results``, failures included.

    Raises:
        RequestError: If a name is unknown or nothing applies.
        DataError: If a named task's data is missing or damaged.
    """
    store = Store(named_path(out, "out"))
    plan = prepare(method, task, store=store, **options)
    execute(plan, store, device=find_device(device), fail_fast=fail_fast)
    frame = load_results(Path(out))
    asked = {planned.identity for planned in plan.runs}
    return frame[frame["identity"].isin(asked)].reset_index(drop=True)


def prepare(
    method: str | Sequence[str],
    task: str | Sequence[str],
    *,
    store: Store,
    **options: Unpack[Options],
) -> Plan:
    """Resolve every name and look up data and results; arguments as for :func:`run`.

    Raises:
        RequestError: If a name is unknown or nothing applies.
        DataError: If a named task's data is missing or damaged.
    """
    for name in options:
        if name not in Options.__annotations__:
            raise unknown_name("option", name, Options.__annotations__)
    limit = options.get("limit")
    if limit is not None and limit < 1:
        raise RequestError(f"limit (={limit}) must be at least 1")
    preset = choose_preset(
        options.get("preset", "standard"),
        options.get("settings", ()),
        seeds=options.get("seeds"),
        folds=options.get("folds"),
    )
    names = split_names(task)
    with importing(", ".join([*split_names(method), *options.get("plugins", ())])):
        chosen = choose_methods(split_names(method), options.get("plugins", ()))
    request = Request(
        methods=chosen.methods,
        left_out=chosen.left_out,
        tasks=_tasks(names),
        preset=preset,
        protocol=find_protocol(options.get("protocol") or preset.protocol),
        init=str(options.get("init", RANDOM)),
        statistics=_statistics(options.get("statistics")),
        backbone=options.get("backbone", "resnet18"),
        data_dir=data_dir(options.get("data_dir")),
        cache_dir=cache_dir(),
        limit=limit,
        diagnostics=options.get("diagnostics", False),
        save_weights=options.get("save_weights", False),
        retry_failed=options.get("retry_failed", False),
        asked=_as_json({"method": method, "task": task, **options}),
    )
    with restored(), own_randomness(0):
        plan = make_plan(request, store, isolation.ask if isolation.can_fork() else None)
    _refuse_missing(plan, strict=options.get("strict", False) or names != [ALL])
    return plan


def run_alone(
    asked: Mapping[str, Any], *, out: str, device: str, identity: str, abandoned: int
) -> dict[str, str] | None:
    """Do one run of a plan, in a process that its parent started for it and answers for.

    Args:
        asked: The arguments of :func:`prepare`.
        out: Results folder.
        device: As for :func:`run`.
        identity: The run's.
        abandoned: How many attempts at it were abandoned before.

    Returns:
        What the record says of its failure, if it failed.

    Raises:
        RequestError: If the same arguments no longer lead to the same run.
    """
    store = Store(Path(out))
    Attempts(store.root).adopt(identity, abandoned)
    plan = prepare(**asked, store=store)
    return execute_one(plan, store, identity, device=find_device(device)).error


def _as_json(options: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments as JSON has them: paths as text, whatever is a sequence as a list."""

    def plain(value: Any) -> Any:
        return str(value) if isinstance(value, Path) else list(value)

    found: dict[str, Any] = json.loads(json.dumps(options, default=plain))
    return found


def _statistics(name: Statistics | None) -> Statistics | None:
    known = get_args(Statistics)
    if name is not None and name not in known:
        raise unknown_name("statistics", name, known)
    return name


def _tasks(names: list[str]) -> tuple[TaskCard, ...]:
    if names == [ALL]:
        return tuple(card for card in load_tasks().values() if not card.control)
    cards = [find_task(name) for name in names]
    taken = load_tasks()
    for card in cards:
        if card.metric not in METRICS:
            raise RequestError(f"{card.path}: {unknown_name('metric', card.metric, METRICS)}")
        if card.name in taken and card.path != taken[card.name].path:
            msg = f"{card.path}: name {card.name!r} is taken by a registered task; rename it"
            raise RequestError(msg)
    return tuple(cards)


def _refuse_missing(plan: Plan, *, strict: bool) -> None:
    """Named tasks must have data; under ``all``, some task must."""
    if plan.missing and (strict or not plan.tasks):
        raise MissingDataError("\n".join(plan.missing.values()))
    if plan.broken and (strict or not plan.tasks):
        raise DataError("\n".join(f"{name}: {why}" for name, why in plan.broken.items()))
