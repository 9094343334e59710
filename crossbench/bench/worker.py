"""What a process that does one job does; :func:`crossbench.bench.jobs.do` starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.bench.failures import failure
from crossbench.bench.jobs import Job
from crossbench.bench.machine import describe
from crossbench.bench.workloads import draw, make, resolve
from crossbench.environment.arithmetic import arithmetic, find_device
from crossbench.environment.measure import interleave, peak_memory, return_freed_blocks
from crossbench.environment.state import unchanged
from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import kind_of, message_of
from crossbench.specs import ComputeSettings
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    import torch

    from crossbench.bench.workloads import Workload

    Reply = dict[str, dict[str, Any]]


def work(job: dict[str, Any]) -> dict[str, Any]:
    """Do a job that came as JSON; see :func:`perform`."""
    return perform(from_mapping(Job, job, where="the job"))


def perform(job: Job) -> dict[str, Any]:
    """Do a job in this very process; see :func:`crossbench.bench.jobs.do`."""
    setup = job.setup
    device = find_device(setup.device)
    compute = ComputeSettings(threads=setup.threads, tf32=setup.dtype == "tf32")
    if job.what == "run":
        return {name: _run(job, name, device) for name in job.methods}
    with arithmetic(compute):
        if job.what == "machine":
            return describe(setup, device)
        return _memory(job, device) if job.what == "memory" else _time(job, device)


def _run(job: Job, method: str, device: torch.device) -> dict[str, Any]:
    """One whole run; what the plan refuses of one method is no matter of the others."""
    from crossbench.bench.phases import measure_run

    try:
        return measure_run(job, method, device)
    except CrossbenchError as error:
        return _failed(error)


def _time(job: Job, device: torch.device) -> Reply:
    """Seconds of every method's calls, in turn."""
    reply: Reply = {}
    workloads: dict[str, Workload] = {}
    given = draw(job, device)
    for method in resolve(job.methods, job.setup.plugins):
        try:
            with unchanged():
                workloads[method.name] = make(job, method, given)
        except Exception as error:  # noqa: BLE001  (whatever it was, the others go on)
            reply[method.name] = _failed(error)
    times, failures = interleave(
        {name: workload.call for name, workload in workloads.items()},
        repeats=job.setup.repeats,
        device=device,
    )
    reply |= {name: {"status": "ok", "seconds": seconds} for name, seconds in times.items()}
    return reply | {name: _failed(error) for name, error in failures.items()}


def _memory(job: Job, device: torch.device) -> Reply:
    """Peak memory and arithmetic of one method, alone in this process."""
    from crossbench.nets.cost import count_multiply_adds

    return_freed_blocks()
    (method,) = resolve(job.methods, job.setup.plugins)
    try:
        workload = make(job, method, draw(job, device))
        peak = peak_memory(workload.call, device)
        arithmetic = count_multiply_adds(workload.call)
    except Exception as error:  # noqa: BLE001
        return {method.name: _failed(error)}
    return {
        method.name: {
            "status": "ok",
            "peak_memory": peak,
            "multiply_adds": arithmetic,
            "parameters": sum(tensor.numel() for tensor in workload.module.parameters()),
        }
    }


def _failed(error: Exception) -> dict[str, Any]:
    return failure(kind_of(error), message_of(error))
