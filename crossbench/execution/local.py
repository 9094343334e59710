"""Runs in this process, one after the other; and plans, which every way of running begins with."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from crossbench.environment.state import own_randomness, restored
from crossbench.errors import CrossbenchError, RequestError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import isolation
from crossbench.execution.attempts import Attempts
from crossbench.execution.claims import Claims
from crossbench.execution.processes import Processes
from crossbench.execution.signals import ending_in_order
from crossbench.execution.sweep import Sweep
from crossbench.runs.context import RunContext, TaskContext
from crossbench.runs.execute import execute_run
from crossbench.runs.planner import make_plan
from crossbench.runs.request import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import torch

    from crossbench.execution.sweep import Executor, Item
    from crossbench.results.records.store import Store
    from crossbench.runs.execute import Listener
    from crossbench.runs.plan import Plan
    from crossbench.specs import RunRecord
    from crossbench.specs.requests import RunRequest

_ABANDONED_AT_MOST = 1


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
    executor: Executor | None = None,
) -> list[RunRecord]:
    """Run what a plan has to do; see :func:`execute_all`."""
    return execute_all(
        [plan], store, device=device, listener=listener, fail_fast=fail_fast, executor=executor
    )


def execute_all(
    plans: Sequence[Plan],
    store: Store,
    *,
    device: torch.device,
    listener: Listener | None = None,
    fail_fast: bool = False,
    wait: bool = True,
    executor: Executor | None = None,
    first: Callable[[], None] | None = None,
) -> list[RunRecord]:
    """Run what plans have to do; each run leaves a record, failures included.

    Args:
        plans: What to run.
        store: Where records go.
        device: Where networks run.
        listener: Told of progress.
        fail_fast: Whether the first failure ends the plan.
        wait: Whether what other processes are doing is waited for, at the end.
        executor: Does the runs, each where it hurts no other; None has this process do them.
        first: Called by each of the executor's threads before it begins with runs.

    Returns:
        The records written, by whichever process, in the order in which they were met.
    """
    sweep = Sweep(
        store,
        device=device,
        executor=executor or Local(store, device),
        alone=executor or Processes(store, device),
        listener=listener,
        fail_fast=fail_fast,
    )
    with nullcontext() if executor is None else ending_in_order():
        return sweep.do(plans, wait=wait, first=first)


class Local:
    """The executor that does runs in this process.

    Args:
        store: Where records go.
        device: Where networks run.
    """

    jobs = 1

    def __init__(self, store: Store, device: torch.device) -> None:
        self._store, self._device = store, device
        self._attempts = Attempts(store.root, locked=Claims(store.root).shared)
        self._shared: TaskContext | None = None

    def do(
        self,
        group: Sequence[Item],
        listener: Listener,
        done: Callable[[RunRecord], object],
    ) -> None:
        """Do a group; see :class:`crossbench.execution.sweep.Executor`."""
        for plan, task, run in group:
            if self._shared is None or self._shared.task is not task:
                self._shared = TaskContext(request=plan.request, task=task, device=self._device)
            with self._attempts.begin(run.identity) as abandoned:
                if abandoned > _ABANDONED_AT_MOST:
                    raise ChildDiedError(0, reason="its process ended twice, nobody saw how")
                listener.started(run)
                context = RunContext(of_task=self._shared, run=run)
                record = execute_run(context, self._store, listener)
            done(record)

    def stop(self) -> None:
        """Do nothing: where this process is told to end, its run is too."""

    def kill(self) -> None:
        """Do nothing, as :meth:`stop`."""
