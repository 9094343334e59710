"""From a case to its record: memory method by method, then time in turn, each in a process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import prod
from typing import TYPE_CHECKING, Any

from crossbench.bench.cases import Layer, Network
from crossbench.bench.jobs import Job, Setup, WorkerError, do
from crossbench.bench.machine import load
from crossbench.environment.arithmetic import find_device, thread_count
from crossbench.errors import CrossbenchError, RequestError
from crossbench.nets.plain import PLAIN_LAYERS
from crossbench.results.records.benches import BenchRecord, Measurement
from crossbench.specs import ComputeSettings
from crossbench.specs.limits import MOST_THREADS
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.bench.jobs import Dtype

Outcomes = dict[str, dict[str, Any]]

# What a pass holds at once, roughly: of a layer, as multiples of its input and output; of a
# ResNet-18, as multiples of its input.
_LAYER_ROOM = {"forward": 3, "train-step": 6}
_NETWORK_ROOM = {"forward": 15, "train-step": 50}
_SAID = ("name", "kind", "shape")  # of a case, by other fields of its record
_LACKING = ("out-of-memory", "killed")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What all records of a command share.

    Attributes:
        provenance: Hardware, versions, commit, and the load before anything was measured.
        peak_flops: Operations a second of a matrix product.
        free_memory: Bytes that may be allocated.
    """

    provenance: dict[str, Any]
    peak_flops: float
    free_memory: int


def make_setup(
    *,
    device: str = "auto",
    dtype: Dtype = "float32",
    threads: int = 0,
    repeats: int = 30,
    plugins: Sequence[str] = (),
) -> Setup:
    """A setup for this machine.

    Args:
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``float32``, ``tf32`` or ``bfloat16``.
        threads: CPU threads; 0 takes ``$OMP_NUM_THREADS`` or every core this process may use.
        repeats: Timed calls of each method.
        plugins: Python files that define further methods.

    Raises:
        RequestError: If the device is not there or a number is out of range.
    """
    if not 0 <= threads <= MOST_THREADS:
        msg = f"threads (={threads}) must be from 0 to {MOST_THREADS}; 0 takes every core"
        raise RequestError(msg)
    if repeats < 1:
        raise RequestError(f"repeats (={repeats}) must be at least 1")
    return Setup(
        device=str(find_device(device)),
        dtype=dtype,
        threads=thread_count(ComputeSettings(threads=threads)),
        repeats=repeats,
        plugins=tuple(plugins),
    )


def find_machine(setup: Setup) -> Machine:
    """Measure the machine.

    Raises:
        CrossbenchError: If not even that can be done.
    """
    before = load()
    try:
        machine = Machine(**do(Job(what="machine", setup=setup)))
    except WorkerError as error:
        raise CrossbenchError(f"this machine cannot be measured: {error}") from error
    return replace(machine, provenance=machine.provenance | {"load": before})


def measure(
    case: Layer | Network,
    methods: Sequence[str],
    setup: Setup,
    machine: Machine,
    *,
    backward: bool,
    max_batch: int | None = None,
) -> BenchRecord:
    """Measure one case for several methods and their baseline.

    The batch is halved until the baseline fits into memory; a method that does not fit where
    the baseline does has run out of memory, which is its result.

    Args:
        case: The layer or network.
        methods: Names of the methods that have this dimension.
        setup: What the command shares.
        machine: What was found of the machine.
        backward: Whether a call goes forward and backward.
        max_batch: At most so many samples a call.
    """
    names = (PLAIN_LAYERS[case.dimension], *methods)
    started = datetime.now(UTC).isoformat()
    job = Job(
        what="memory",
        setup=setup,
        layer=case if isinstance(case, Layer) else None,
        network=case if isinstance(case, Network) else None,
        backward=backward,
        batch=min(
            _fitting_batch(case, machine.free_memory, backward=backward),
            case.shape[0] if max_batch is None else max_batch,
        ),
    )
    job, outcomes = _shrink(job, names[0])
    for name in methods:
        outcomes |= outcomes_of(replace(job, methods=(name,)))
    fit = tuple(name for name in names if outcomes[name]["status"] == "ok")
    timed = outcomes_of(replace(job, what="time", methods=fit)) if fit else {}
    return BenchRecord(
        kind="ops" if isinstance(case, Layer) else "models",
        workload="train-step" if backward else "forward",
        case=case.name,
        dimension=case.dimension,
        shape=case.shape,
        batch=job.batch,
        settings={key: value for key, value in to_mapping(case).items() if key not in _SAID},
        device=setup.device,
        dtype=setup.dtype,
        threads=setup.threads,
        baseline=names[0],
        measurements=tuple(
            Measurement(method=name, **as_tuples(outcomes[name] | timed.get(name, {})))
            for name in names
        ),
        peak_flops=machine.peak_flops,
        provenance=machine.provenance | {"started": started},
    )


def outcomes_of(job: Job) -> Outcomes:
    """What a job's process replies; where it died, that is the outcome of all its methods."""
    try:
        return do(job)
    except WorkerError as error:
        died = {"class": type(error).__name__, "message": str(error)}
        return {name: {"status": error.status, "error": died} for name in job.methods}


def as_tuples(outcome: dict[str, Any]) -> dict[str, Any]:
    """An outcome as it came through JSON, with the tuples of a Measurement."""
    return outcome | {"seconds": tuple(outcome.get("seconds", ()))}


def _shrink(job: Job, baseline: str) -> tuple[Job, Outcomes]:
    """The job with a batch that the baseline fits with, and the baseline's outcome."""
    while True:
        outcomes = outcomes_of(replace(job, methods=(baseline,)))
        if outcomes[baseline]["status"] not in _LACKING or job.batch == 1:
            return job, outcomes
        job = replace(job, batch=job.batch // 2)


def _fitting_batch(case: Layer | Network, free: int, *, backward: bool) -> int:
    """The batch asked for, halved until it should fit; at least 1."""
    batch, *sizes = case.shape
    workload = "train-step" if backward else "forward"
    if isinstance(case, Layer):
        pixels = prod(sizes[1:])
        numbers = _LAYER_ROOM[workload] * pixels * (sizes[0] + case.outputs // case.stride**2)
    else:
        numbers = _NETWORK_ROOM[workload] * prod(sizes)
    while batch > 1 and 4 * batch * numbers > free:
        batch //= 2
    return batch
