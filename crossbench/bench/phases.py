"""One whole run and its seconds by phase."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from crossbench.bench.failures import failure
from crossbench.environment.arithmetic import finish
from crossbench.environment.measure import forget_peak
from crossbench.environment.provenance import resident_peak
from crossbench.environment.spans import collect, span
from crossbench.execution import local
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    import torch

    from crossbench.bench.jobs import Job
    from crossbench.runs.plan import Plan

#: The phases of a run, in its order; ``forward`` and ``backward`` are those of training, and
#: ``other`` is planning, building the network, bookkeeping.
PHASES = ("load", "augment", "forward", "backward", "evaluate", "write", "other")


def measure_run(job: Job, method: str, device: torch.device) -> dict[str, Any]:
    """Run the first seed and fold of a task as ``crossbench run`` does.

    Batches are loaded synchronously (``compute.workers=0``), so that loading has a time of its own.

    Returns:
        The outcome as parts of a Measurement; ``samples`` went through the network in all, of
        the ``shape`` that is stored.
    """
    before = forget_peak()
    listening = collect(fine=True, wait=partial(finish, device))
    with TemporaryDirectory() as folder, listening as seconds, span("run"):
        store = Store(Path(folder))
        planned = _plan(job, method, store)
        (record,) = local.execute(planned, store, device=device)
    if record.error is not None:
        return failure(record.error["class"], record.error["message"])
    on_device = record.peak_memory.get("cuda")
    return {
        "status": "ok",
        "seconds": [seconds["run"]],
        "peak_memory": _grown(before) if on_device is None else on_device,
        "parameters": record.parameters["total"],
        "phases": _phases(seconds),
        "samples": sum(run.passes.total for run in planned.runs),
        "shape": list(planned.tasks[0].sample_shape),
    }


def _phases(seconds: dict[str, float]) -> dict[str, float]:
    found = {phase: seconds.get(phase, 0.0) for phase in PHASES[:-1]}
    return found | {"other": seconds["run"] - sum(found.values())}


def _grown(before: int | None) -> int | None:
    """Bytes that the peak of this process is above an earlier one."""
    return None if before is None else (resident_peak() or 0) - before


def _plan(job: Job, method: str, store: Store) -> Plan:
    run, setup = job.run, job.setup
    if run is None:
        msg = "a job to measure a run needs one"
        raise ValueError(msg)
    precision = "bfloat16" if setup.dtype == "bfloat16" else "float32"
    compute = {"threads": setup.threads, "precision": f'"{precision}"', "workers": 0}
    compute["tf32"] = str(setup.dtype == "tf32").lower()
    settings = [*run.settings, *(f"compute.{key}={value}" for key, value in compute.items())]
    request = replace(run, methods=(method,), settings=tuple(settings), plugins=setup.plugins)
    return local.prepare(request, store)
