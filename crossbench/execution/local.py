"""One planned run to one record; a plan to many.

Processes that execute the same plan into one folder share its runs.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from crossbench.environment.arithmetic import find_device
from crossbench.environment.state import own_randomness, restored
from crossbench.errors import CrossbenchError, RecordError, RequestError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import isolation
from crossbench.execution.attempts import Attempts
from crossbench.execution.child import tell
from crossbench.execution.claims import Claims
from crossbench.registry.method_identity import is_of_this_process
from crossbench.results.records.store import Store
from crossbench.runs.context import RunContext
from crossbench.runs.execute import (
    Listener,
    Silence,
    begin_record,
    execute_run,
    open_context,
    write_failure,
)
from crossbench.runs.planner import make_plan
from crossbench.runs.request import resolve
from crossbench.specs.reader import to_mapping
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    import torch

    from crossbench.runs.context import TaskContext
    from crossbench.runs.plan import Plan, PlannedRun, TaskPlan
    from crossbench.specs import RunRecord

    Item: TypeAlias = tuple[Plan, TaskPlan, PlannedRun]


_ABANDONED_AT_MOST = 1
_DIED = "Died"  # the class of error of a run that ended its process


def prepare(request: RunRequest, store: Store) -> Plan:
    """Resolve a request and plan its runs, what methods' code does being kept apart.

    Raises:
        RequestError: If a name is unknown or nothing applies.
        DataError: If a named task's data is missing or damaged.
    """
    resolved = resolve(request)
    with restored(), own_randomness(0):
        return make_plan(resolved, store, isolation.ask if isolation.can_fork() else None)


def prepare_all(requests: Iterable[RunRequest], store: Store) -> list[Plan]:
    """Plan several requests, so that all that is wrong is said before anything runs.

    Raises:
        CrossbenchError: Of one request, what :func:`prepare` raises.
        RequestError: If several faults were found, with all of them.
    """
    plans: list[Plan] = []
    faults: dict[str, CrossbenchError] = {}
    for request in requests:
        try:
            plans.append(prepare(request, store))
        except CrossbenchError as error:
            faults.setdefault(str(error), error)
    if len(faults) > 1:
        raise RequestError("\n".join(faults))
    for fault in faults.values():
        raise fault
    return plans


def execute(
    plan: Plan,
    store: Store,
    *,
    device: torch.device,
    listener: Listener | None = None,
    fail_fast: bool = False,
) -> list[RunRecord]:
    """Run what a plan has to do; see :func:`execute_all`."""
    return execute_all([plan], store, device=device, listener=listener, fail_fast=fail_fast)


def execute_all(
    plans: Sequence[Plan],
    store: Store,
    *,
    device: torch.device,
    listener: Listener | None = None,
    fail_fast: bool = False,
    wait: bool = True,
) -> list[RunRecord]:
    """Run what plans have to do; each run leaves a record, failures included.

    What another process is doing meanwhile is not done again.

    Args:
        plans: What to run.
        store: Where records go.
        device: Where networks run.
        listener: Told of progress.
        fail_fast: Whether the first failure ends the plan.
        wait: Whether what other processes are doing is waited for, at the end.

    Returns:
        The records written, by whichever process, in the order in which they were met.
    """
    listener = listener or Silence()
    written: list[RunRecord] = []
    task_context: TaskContext | None = None
    claims = Claims(store.root)
    attempts = Attempts(store.root, locked=claims.shared)
    for plan, task, run in claims.each(_groups(plans), _identity, wait=wait):
        record = _by_another(plan, run, store)
        if record is None:
            if task_context is None or task_context.task is not task:
                task_context = open_context(plan, task, device)
            listener.started(run)
            context = RunContext(of_task=task_context, run=run)
            record = _attempt(context, store, listener, attempts)
        listener.finished(run, record)
        written.append(record)
        if fail_fast and record.status == "failed":
            return written
    return written


def execute_one(plan: Plan, store: Store, identity: str, *, device: torch.device) -> RunRecord:
    """Do one run of a plan, whatever its record says and whoever has claimed it.

    Raises:
        RequestError: If the plan has no such run.
    """
    for task in plan.tasks:
        for run in task.runs:
            if run.identity == identity:
                context = RunContext(of_task=open_context(plan, task, device), run=run)
                return execute_run(context, store, Silence())
    msg = f"run {identity[:8]} is not what was planned: its data, weights or method have changed"
    raise RequestError(f"{msg} since; start the command again")


def run_alone(
    request: dict[str, Any], *, out: str, device: str, identity: str, abandoned: int
) -> dict[str, str] | None:
    """Do one run of a plan, in a process that its parent started for it and answers for.

    Args:
        request: A :class:`RunRequest` as JSON.
        out: Results folder.
        device: As for :func:`crossbench.run`.
        identity: The run's.
        abandoned: How many attempts at it were abandoned before.

    Returns:
        What the record says of its failure, if it failed.

    Raises:
        RequestError: If the same request no longer leads to the same run.
    """
    store = Store(Path(out))
    Attempts(store.root).adopt(identity, abandoned)
    plan = prepare(RunRequest.from_json(request), store)
    return execute_one(plan, store, identity, device=find_device(device)).error


def help_run(
    request: dict[str, Any], *, out: str, device: str, todo: dict[str, int | None]
) -> None:
    """Share the runs of a plan with the process that has this one do it, and tell it of each.

    Args:
        request: A :class:`RunRequest` as JSON.
        out: Results folder.
        device: As for :func:`crossbench.run`.
        todo: As for :meth:`crossbench.runs.plan.Plan.restrict`.
    """
    store = Store(Path(out))
    if Claims(store.root).shared:
        plan = prepare(RunRequest.from_json(request), store).restrict(todo)
        execute(plan, store, device=find_device(device), listener=Teller())


class Teller(Silence):
    """The listener of a helping process: tells the first process which runs are done."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:  # noqa: ARG002
        """Tell the run's identity."""
        tell(run.identity)


def _groups(plans: Iterable[Plan]) -> Iterator[list[Item]]:
    """What there is to do, the runs together that share a network's features."""
    for plan in plans:
        for task in plan.tasks:
            groups: dict[Hashable, list[Item]] = defaultdict(list)
            for run in task.todo:
                groups[run.feature_key].append((plan, task, run))
            yield from groups.values()


def _identity(item: Item) -> str:
    *_, run = item
    return run.identity


def _by_another(plan: Plan, run: PlannedRun, store: Store) -> RunRecord | None:
    """The record that has been written since the plan was made; a failure of before is no such."""
    record = store.find(run.key, run.identity)
    if record is None or record.status != "ok":
        return record if store.changed(run.key, run.identity) != run.earlier else None
    return record if plan.request.is_answered_by(record) else None


def _attempt(
    context: RunContext, store: Store, listener: Listener, attempts: Attempts
) -> RunRecord:
    """One attempt at a run, in a process of its own where an earlier one ended its process."""
    run = context.run
    earlier = store.find(run.key, run.identity)
    with attempts.begin(run.identity) as abandoned:
        if abandoned > _ABANDONED_AT_MOST:
            return _died(context, store, "its process ended twice, nobody saw how", "")
        if (abandoned or _has_died(earlier)) and not _is_here_alone(run):
            return _record_alone(context, store, abandoned)
        return execute_run(context, store, listener)


def _is_here_alone(run: PlannedRun) -> bool:
    """Whether no other process would find the run's method."""
    return run.method is not None and is_of_this_process(run.method)


def _has_died(record: RunRecord | None) -> bool:
    return record is not None and record.error is not None and record.error["class"] == _DIED


def _record_alone(context: RunContext, store: Store, abandoned: int) -> RunRecord:
    """One run in a process of its own, whose end is a record too."""
    run = context.run
    arguments = {
        "request": to_mapping(context.request.asked),
        "out": str(store.root),
        "device": str(context.device),
        "identity": run.identity,
        "abandoned": abandoned,
    }
    try:
        error = isolation.call("crossbench.execution.local:run_alone", arguments)
    except ChildDiedError as died:
        return _died(context, store, str(died), died.last_words)
    if error is not None:
        return dataclasses.replace(begin_record(context), error=error)
    record = store.find(run.key, run.identity)
    if record is None:
        raise RecordError(f"{store.path_of(run.key, run.identity)}: was just written and is gone")
    return record


def _died(context: RunContext, store: Store, message: str, trace: str) -> RunRecord:
    """The record of a run that ended its process, put on disk."""
    error = {"class": _DIED, "message": message, "traceback": trace}
    return write_failure(store, dataclasses.replace(begin_record(context), error=error))
