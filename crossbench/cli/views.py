"""Views of the registry and of plans as text. Nothing here imports torch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crossbench.cli.columns import table
from crossbench.cli.output import aside
from crossbench.specs import NpzSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crossbench.execution.simulation import Schedule
    from crossbench.registry.entries import MethodEntry
    from crossbench.runs.estimate import Estimate
    from crossbench.runs.plan import Plan
    from crossbench.transfer import StageEstimate


def method_rows(plugins: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of the methods of packages, which are not imported, and of plugin files, which are."""
    from crossbench.registry.entries import method_entries

    rows = {entry.name: _method_row(entry) for entry in method_entries().values()}
    if not plugins:
        return list(rows.values())
    from crossbench.registry.methods import plugin_entries

    with aside():
        found = plugin_entries(plugins)
    return list((rows | {entry.name: _method_row(entry) for entry in found}).values())


def _method_row(entry: MethodEntry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "inputs": ", ".join(entry.inputs) or None,
        "hyperparameters": ", ".join(entry.hyperparameters) or None,
        "package": f"{entry.distribution} {entry.version}".strip(),
        "summary": entry.summary,
    }


def _protocols() -> list[dict[str, Any]]:
    from crossbench.protocols import PROTOCOLS

    return [{"name": each.name, "title": each.title} for each in PROTOCOLS.values()]


def _presets() -> list[dict[str, Any]]:
    from crossbench.registry.presets import load_presets

    return [
        {
            "name": each.name,
            "data": each.data,
            "split": f"{len(each.split.seeds)} x {each.split.folds} {each.split.scheme}",
            "epochs": each.fit.epochs,
            "metric": each.metric,
            "title": each.title,
        }
        for each in load_presets().values()
    ]


def _tracks() -> list[dict[str, Any]]:
    from crossbench.registry.tracks import load_tracks

    return [
        {
            "name": each.name,
            "version": each.version,
            "preset": each.preset,
            "tasks": len(each.tasks),
            "protocols": ", ".join(each.protocols),
            "inits": ", ".join(each.inits),
            "seeds": len(each.seeds),
            "title": each.title,
        }
        for each in load_tracks().values()
    ]


_ADDRESS = re.compile(r"https?://\S+")
_WIDEST = 1000
_PARTS = {"adapters": "low-rank updates", "norm": "BatchNorm", "all": "all"}
_TIMED = "timed on this machine, augmentation not counted"

#: What makes the rows of a listing, by what is listed.
LISTINGS = {"protocols": _protocols, "presets": _presets, "tracks": _tracks}


def plan_view(plan: Plan, cost: Estimate, *, jobs: int = 1) -> str:
    """A dry run in words: the grid, what is done, what is missing, time and disk.

    The time of a task is that of one process, the time of all what ``jobs`` of them need.
    """
    rows = [
        {
            "name": task.card.name,
            "input": "x".join(str(size) for size in task.sample_shape),
            "methods": ", ".join(dict.fromkeys(run.key.method for run in task.runs)),
            "runs": len(task.runs),
            "done": len(task.runs) - len(task.todo),
            "time": duration(cost.seconds[task.card.name]),
        }
        for task in plan.tasks
    ]
    parts = [table(rows)] if rows else []
    parts += missing_view(plan)
    parts += statistics_view(plan)
    parts += warnings_view(plan)
    parts += [f"damaged: {name}: {why}" for name, why in plan.broken.items()]
    parts += not_applicable_view(plan)
    parts += learning_view(plan)
    parts += [f"not timed: {name}: {why}" for name, why in cost.untimed.items()]
    left = len(plan.left_failed)
    done = f"{len(plan.runs) - len(plan.todo) - left} done"
    done += f", {left} failed before (--retry-failed plans them again)" if left else ""
    parts.append(
        f"{len(plan.todo)} runs to do, {done}; "
        f"about {_shared(cost.seconds.values(), jobs)} and {cost.disk / 1e6:.1f} MB ({_TIMED})"
    )
    return "\n".join(parts)


def schedules_view(schedules: Sequence[Schedule], price: float | None = None) -> str:
    """What numbers of processes would take, and what that costs at a price an hour of each."""
    several = any(each.nodes > 1 for each in schedules)
    return table(
        [
            ({"nodes": each.nodes} if several else {})
            | {
                "processes": each.processes,
                "time": duration(each.makespan),
                "idle": f"{each.idle:.0%}",
            }
            | ({} if price is None else {"cost": f"{each.cost(price):,.2f}"})
            for each in schedules
        ]
    )


def stages_view(stages: Sequence[StageEstimate], *, jobs: int = 1) -> str:
    """The stages of a transfer and what they would take, all of them shared by ``jobs``."""
    rows = [
        {
            "stage": stage.what,
            "networks": stage.count,
            "to do": stage.todo,
            "time": duration(stage.seconds),
        }
        for stage in stages
    ]
    total = _shared([stage.seconds for stage in stages], jobs)
    networks = sum(stage.todo for stage in stages)
    return f"{table(rows)}\n{networks} networks to do; about {total} ({_TIMED})"


def _shared(seconds: Iterable[float], jobs: int) -> str:
    """Time for each of several processes, in words."""
    words = duration(sum(seconds) / jobs)
    return words if jobs == 1 else f"{words} in {jobs} processes"


def warnings_view(plan: Plan) -> list[str]:
    """Notes on weights, data, splits and methods for readers of the results."""
    inits = [run.init for run in plan.runs if run.init is not None]
    weights = dict.fromkeys(why for init in inits for why in init.warnings)
    networks = dict.fromkeys(why for found in plan.findings.values() for why in found.warnings)
    return [
        *(f"note: {why}" for why in weights),
        *(f"note: {task.card.name}: {why}" for task in plan.tasks for why in task.warnings),
        *(f"note: {why}" for why in networks),
    ]


def statistics_view(plan: Plan) -> list[str]:
    """Whose channel statistics normalise the inputs of which methods, and why these."""
    methods: dict[tuple[str, str], list[str]] = {}
    for run in plan.runs:
        if run.init is not None:
            methods.setdefault((run.init.statistics, run.init.basis), []).append(run.key.method)
    return [
        f"inputs normalised by {statistics} statistics ({basis}): {', '.join(dict.fromkeys(names))}"
        for (statistics, basis), names in methods.items()
    ]


def not_applicable_view(plan: Plan) -> list[str]:
    """Runs that are not applicable, a line a method and reason."""
    tasks: dict[tuple[str, str], list[str]] = {}
    for each in plan.not_applicable:
        tasks.setdefault((each.method, each.reason), []).append(each.task)
    return [
        f"not applicable: {method} on {', '.join(names)}: {reason}"
        for (method, reason), names in tasks.items()
    ]


def learning_view(plan: Plan) -> list[str]:
    """Numbers of parameters that would learn, a line for methods with the same."""
    methods: dict[tuple[str, str], list[str]] = {}
    for (method, task), finding in plan.findings.items():
        dims = next(each.card.dimension for each in plan.tasks if each.card.name == task)
        counts = ", ".join(f"{_PARTS.get(part, part)} {n:,}" for part, n in finding.learns.items())
        named = methods.setdefault((f"{dims}D", counts), [])
        if counts and method not in named:
            named.append(method)
    protocol = plan.request.protocol.name
    return [
        f"learns under {protocol}: {counts} parameters ({dims}: {', '.join(names)})"
        for (dims, counts), names in methods.items()
        if counts
    ]


def missing_view(plan: Plan) -> list[str]:
    """The tasks without data: what file each wants, where to get it, and where to put it."""
    from crossbench.data.acquire.status import command
    from crossbench.files.data_root import DataRoot

    cards = {card.name: card for card in plan.request.tasks}
    shipped = [why for name, why in plan.missing.items() if cards[name].embedded]
    sources = {name: cards[name].source for name in plan.missing}
    rows = [
        {"name": name, "wants": source.file, "from": _origin(source)}
        for name, source in sources.items()
        if isinstance(source, NpzSource) and not cards[name].origins
    ]
    lines = [f"no data: {why}" for why in shipped]
    folder = plan.request.data_dir
    open_ = [cards[name] for name in plan.missing if cards[name].origins]
    if open_:
        lines += [f"{_without(len(open_))} fetch it by --fetch, or by"]
        lines += [command(card, DataRoot(folder)) for card in open_]
    if rows:
        lines += [
            _without(len(rows)),
            table(rows, width=_WIDEST),  # an address that is broken cannot be copied
            f"save the files in {folder}, or in a folder that --data-dir names",
        ]
    return lines


def _without(count: int) -> str:
    return f"no data for {count} tasks:" if count > 1 else "no data for 1 task:"


def _origin(source: NpzSource) -> str:
    """Source of a file: its address, else the one that its remedy names, or that."""
    named = _ADDRESS.search(source.remedy)
    return source.url or (named.group().rstrip(".,") if named else source.remedy)


def duration(seconds: float) -> str:
    """Seconds as people say them: ``45 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
