"""Work for one process, and the process that does it; requests and replies are JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from crossbench.bench.cases import Layer, Network  # noqa: TC001  (Job is read from JSON)
from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import isolation
from crossbench.specs.reader import to_mapping
from crossbench.specs.requests import RunRequest  # noqa: TC001

if TYPE_CHECKING:
    from crossbench.results.records.benches import Outcome

Dtype = Literal["float32", "tf32", "bfloat16"]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """What all measurements of one command share.

    Attributes:
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``float32``, ``tf32`` (float32 whose matrix products may round) or ``bfloat16``
            (autocast).
        threads: CPU threads.
        repeats: Timed calls of each method.
        plugins: Python files that define further methods.
    """

    device: str
    dtype: Dtype = "float32"
    threads: int = 1
    repeats: int = 30
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Job:
    """What one process does.

    Attributes:
        what: ``machine`` (its fingerprint, memory and speed), ``time`` (methods in turn),
            ``memory`` (peak and multiply-adds of one method) or ``run`` (one whole run).
        setup: What all jobs share.
        methods: Whose turn it is.
        layer: What is timed, or ``network``, or ``run``.
        network: As ``layer``.
        run: As ``layer``: what ``crossbench run`` would be asked for, on one task.
        backward: Whether a call goes forward and backward.
        batch: Samples a call.
    """

    what: Literal["machine", "time", "memory", "run"]
    setup: Setup
    methods: tuple[str, ...] = ()
    layer: Layer | None = None
    network: Network | None = None
    run: RunRequest | None = None
    backward: bool = False
    batch: int = 1


class WorkerError(CrossbenchError):
    """A process that did not come to its end.

    Attributes:
        status: ``killed`` or ``failed``.
    """

    def __init__(self, status: Outcome, message: str) -> None:
        super().__init__(message)
        self.status = status


def do(job: Job) -> dict[str, Any]:
    """Have a job done by a process of its own.

    Returns:
        The reply: for ``machine`` its facts, else the parts of a Measurement by method.

    Raises:
        WorkerError: If the process was killed, or ended without a reply.
    """
    try:
        reply: dict[str, Any] = isolation.call(
            "crossbench.bench.worker:work", {"job": to_mapping(job)}
        )
    except ChildDiedError as error:
        killed = error.verdict == "died" and error.code < 0
        last = f": {error.last_words.splitlines()[-1]}" if error.last_words else ""
        message = f"{error}{last}" if error.verdict == "died" and not killed else str(error)
        raise WorkerError("killed" if killed else "failed", message) from error
    except CrossbenchError as error:
        raise WorkerError("failed", str(error)) from error
    return reply
