"""``crossbench bench harness``: whole runs, each in a process of its own, split into phases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from crossbench.bench.jobs import Job
from crossbench.bench.record import as_tuples, outcomes_of
from crossbench.methods import input_kinds
from crossbench.protocols import find_protocol
from crossbench.registry.presets import choose_preset
from crossbench.registry.tasks import find_task
from crossbench.results.records.benches import BenchRecord, Measurement
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.bench.jobs import Setup
    from crossbench.bench.record import Machine
    from crossbench.methods import Method
    from crossbench.specs.requests import RunRequest

_MAKING = ("preset", "protocol", "backbone", "settings")  # a case, besides its task


def find_runs(request: RunRequest) -> list[RunRequest]:
    """Split a request into one for the first seed and fold of each task.

    Raises:
        RequestError: If a task, preset, protocol or setting is unknown.
    """
    choose_preset(request.preset, request.settings)
    if request.protocol:
        find_protocol(request.protocol)
    for name in request.tasks:
        find_task(name)
    return [replace(request, tasks=(name,), limit=1) for name in request.tasks]


def bench_harness(
    runs: Sequence[RunRequest], methods: Sequence[Method], setup: Setup, machine: Machine
) -> Iterator[BenchRecord]:
    """Measure whole runs of the methods that have the task's dimension, in turn.

    Yields:
        A record a task, as soon as it is there.
    """
    for run in runs:
        card = find_task(run.tasks[0])
        names = tuple(method.name for method in methods if card.kind in input_kinds(method))
        started = datetime.now(UTC).isoformat()
        job = Job(what="run", setup=setup, run=run)
        tries: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
        for _ in range(setup.repeats):
            for name in names:
                tries[name].append(outcomes_of(replace(job, methods=(name,)))[name])
        facts = next((each for own in tries.values() for each in own if each["status"] == "ok"), {})
        samples = facts.get("samples", 1)
        yield BenchRecord(
            kind="harness",
            workload="run",
            case=card.name,
            dimension=card.dimension,
            shape=(samples, *facts.get("shape", ())),
            batch=samples,
            settings={name: value for name, value in to_mapping(run).items() if name in _MAKING},
            device=setup.device,
            dtype=setup.dtype,
            threads=setup.threads,
            baseline="",
            measurements=tuple(
                Measurement(method=name, **as_tuples(_united(tries[name]))) for name in names
            ),
            provenance=machine.provenance | {"started": started},
        )


def _united(outcomes: list[dict[str, Any]]) -> dict[str, Any]:
    """Several runs of one method as one outcome: the first that went wrong, or all together."""
    for outcome in outcomes:
        if outcome["status"] != "ok":
            return outcome
    first = outcomes[0]
    peaks = [each["peak_memory"] for each in outcomes]
    return {
        "status": "ok",
        "seconds": [each["seconds"][0] for each in outcomes],
        "peak_memory": max(peaks) if None not in peaks else None,
        "parameters": first["parameters"],
        "phases": {
            name: sum(each["phases"][name] for each in outcomes) / len(outcomes)
            for name in first["phases"]
        },
    }
