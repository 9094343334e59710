"""Runs that one process does in turn: asked for as data, answered by records as data.

Whatever starts that process, here or on another machine, needs no more than these two forms.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.environment.arithmetic import find_device
from crossbench.environment.state import own_randomness, restored
from crossbench.errors import RequestError
from crossbench.execution.child import tell
from crossbench.results.records.store import Store
from crossbench.runs.context import RunContext, TaskContext
from crossbench.runs.execute import Silence, execute_run
from crossbench.runs.planner import plan_again
from crossbench.runs.request import resolve
from crossbench.specs.reader import from_mapping, to_mapping
from crossbench.specs.requests import RunRequest  # noqa: TC001  (RunGroup is read from JSON)

if TYPE_CHECKING:
    from crossbench.runs.plan import PlannedRun, TaskPlan


@dataclass(frozen=True, kw_only=True)
class RunGroup:
    """Runs of one method on one task that share features.

    Attributes:
        request: What was asked for, of which these runs are a part.
        task: Name of the task.
        method: Name of the method or plain baseline.
        seeds: Seeds of the runs.
        folds: Their folds.
        runs: What the planning process has noticed of each run, by identity, in turn.
        origin: Where that process has the method from; None for a plain baseline.
        out: Results folder.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """

    request: RunRequest
    task: str
    method: str
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    runs: dict[str, tuple[str, ...]]
    origin: dict[str, Any] | None
    out: str
    device: str


@dataclass(frozen=True, kw_only=True)
class News:
    """What is told of a run while its group is done.

    Attributes:
        run: Its identity.
        samples: How many more went through its network.
        record: Its record, once that is on disk; with neither, the run begins.
    """

    run: str
    samples: int | None = None
    record: dict[str, Any] | None = None


def do_group(group: dict[str, Any]) -> None:
    """Do the runs of a group, and tell what becomes of them.

    Args:
        group: A :class:`RunGroup` as JSON.

    Raises:
        RequestError: If the same request no longer leads to the same runs.
    """
    asked = from_mapping(RunGroup, group, where="group")
    store = Store(Path(asked.out))
    with restored(), own_randomness(0):
        request = resolve(asked.request)
        task, dataset = plan_again(
            request,
            store,
            task=asked.task,
            method=asked.method,
            seeds=asked.seeds,
            folds=asked.folds,
        )
    device = find_device(asked.device)
    shared = TaskContext(
        request=request, task=task, device=device, opened=dataset, origin=asked.origin
    )
    for identity, noticed in asked.runs.items():
        run = _find(task, identity, noticed)
        tell(to_mapping(News(run=identity)), begins=True)
        record = execute_run(RunContext(of_task=shared, run=run), store, _Teller())
        tell(to_mapping(News(run=identity, record=to_mapping(record))))


def _find(task: TaskPlan, identity: str, noticed: tuple[str, ...]) -> PlannedRun:
    for run in task.runs:
        if run.identity == identity:
            return dataclasses.replace(run, noticed=noticed)
    msg = f"run {identity[:8]} is not what was planned: its data, weights or method have changed"
    raise RequestError(f"{msg} since; start the command again")


class _Teller(Silence):
    """Tells the process that asked for the runs how they get on."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        tell(to_mapping(News(run=run.identity, samples=samples)))
