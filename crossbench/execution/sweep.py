"""Plans to records: what there is to do is claimed group by group, and given to an executor.

Processes that do the same plans into one folder share their runs. A run whose process ends is a
failure with a record, and one that the machine has ended is tried once more when nothing else of
this sweep is going on.
"""

from __future__ import annotations

import dataclasses
import math
import threading
from typing import TYPE_CHECKING, Protocol, TypeAlias

from crossbench.errors.foreign import ChildDiedError
from crossbench.execution.attempts import Attempts
from crossbench.execution.claims import Claims
from crossbench.execution.isolation import GRACE
from crossbench.execution.logs import log_name, remove_logs
from crossbench.execution.simulation import longest_first
from crossbench.registry.method_identity import is_of_this_process
from crossbench.runs.context import RunContext, TaskContext
from crossbench.runs.execute import Silence, begin_record, write_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import torch

    from crossbench.results.records.store import Store
    from crossbench.runs.execute import Listener
    from crossbench.runs.plan import Plan, PlannedRun, TaskPlan
    from crossbench.specs import RunRecord

    Item: TypeAlias = tuple[Plan, TaskPlan, PlannedRun]

_DIED = "Died"  # the class of error of a run that ended its process
_OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")  # of Python, of torch on a GPU
_NO_MEMORY = "DefaultCPUAllocator: can't allocate memory"  # a RuntimeError of torch


class Executor(Protocol):
    """Where runs are done.

    Attributes:
        jobs: How many groups are done at a time.
    """

    jobs: int

    def do(
        self,
        group: Sequence[Item],
        listener: Listener,
        done: Callable[[RunRecord], object],
    ) -> None:
        """Do runs of one task that share features, in turn.

        Args:
            group: The runs.
            listener: Told that they begin and advance.
            done: Called with the record of each, once that is on disk.

        Raises:
            ChildDiedError: If what did the runs ended in the first that is not done.
        """

    def stop(self) -> None:
        """End what is going on, which leaves nothing half-written, and begin nothing more."""

    def kill(self) -> None:
        """End at once what does not end by itself."""


class Sweep:
    """One process's part in plans that are to become records.

    Args:
        store: Where records go.
        device: Where networks run.
        executor: Does the runs.
        alone: Does those that have ended their process before, or are tried once more.
        listener: Told of progress, by one thread at a time.
        fail_fast: Whether the first failure ends the sweep.
    """

    def __init__(
        self,
        store: Store,
        *,
        device: torch.device,
        executor: Executor,
        alone: Executor,
        listener: Listener | None = None,
        fail_fast: bool = False,
    ) -> None:
        self._store, self._device = store, device
        self._executor, self._alone = executor, alone
        self._listener: Listener = _OneAtATime(listener or Silence())
        self._fail_fast = fail_fast
        self._claims = Claims(store.root)
        self._attempts = Attempts(store.root, locked=self._claims.shared)
        self._written: dict[str, RunRecord] = {}
        self._put_off: list[Item] = []
        self._over = False
        self._fault: BaseException | None = None

    def do(
        self,
        plans: Sequence[Plan],
        *,
        wait: bool = True,
        first: Callable[[], None] | None = None,
    ) -> list[RunRecord]:
        """Do what plans have to do; each run leaves a record, failures included.

        What another process is doing meanwhile is not done again.

        Args:
            plans: What to run.
            wait: Whether what other processes are doing is waited for, at the end.
            first: What each thread does before it takes runs.

        Returns:
            The records written, by whichever process, in the order in which they were met.
        """
        self._forget(plans)
        groups = list(_groups(plans))
        jobs = self._executor.jobs if self._claims.shared else 1
        if first is None:
            jobs = min(jobs, len(groups))
        if jobs > 1:
            self._share(longest_first(groups, _size), jobs, wait=wait, first=first)
        else:
            self._take(groups, wait=wait, first=first)
        while self._put_off and not self._over:
            item = self._put_off.pop(0)
            for _ in self._claims.each([[item]], _identity, wait=wait):
                self._try(self._alone, [item], last=True)
        return list(self._written.values())

    def _forget(self, plans: Iterable[Plan]) -> None:
        """Remove what processes that were killed have left of runs that are done."""
        runs = [run for plan in plans for run in plan.runs if run.done]
        self._claims.forget(run.identity for run in runs)
        remove_logs(self._store.root, (run.identity for run in runs if not run.failed))

    def _share(
        self,
        groups: Sequence[list[Item]],
        jobs: int,
        *,
        wait: bool,
        first: Callable[[], None] | None,
    ) -> None:
        """Have several threads take groups, each with a process at work for it."""

        def take(ended: threading.Event) -> None:
            try:
                self._take(groups, wait=wait, first=first)
            except BaseException as error:  # noqa: BLE001  (the main thread raises it)
                self._end(error)
            finally:
                ended.set()

        # Not Thread.join: one that a signal interrupts takes its thread for ended ever after.
        ends = [threading.Event() for _ in range(jobs)]
        try:
            for ended in ends:
                threading.Thread(target=take, args=(ended,), daemon=True).start()
            for ended in ends:
                ended.wait()
        except BaseException:
            self._end()
            for ended in ends:
                ended.wait(GRACE)
            self._executor.kill()
            for ended in ends:  # each removes what its process has left
                ended.wait(GRACE)
            raise
        if self._fault is not None:
            raise self._fault

    def _end(self, fault: BaseException | None = None) -> None:
        if not self._over:
            self._over, self._fault = True, fault
            self._claims.close()
            self._executor.stop()

    def _take(
        self,
        groups: Iterable[Iterable[Item]],
        *,
        wait: bool,
        first: Callable[[], None] | None = None,
    ) -> None:
        """Do the groups that no other thread or process has claimed, until none is left."""
        if first is not None:
            first()
        for group in self._claims.each(groups, _identity, wait=wait):
            left = []
            for item in group:
                record = self._by_another(item)
                if record is None:
                    left.append(item)
                else:
                    self._finish(item, record)
            for executor, items in self._assigned(left):
                self._try(executor, items)
            if self._over:
                return

    def _assigned(self, items: Sequence[Item]) -> Iterator[tuple[Executor, list[Item]]]:
        """Who does which: what has ended its process before is done alone."""
        deadly = [item for item in items if self._is_deadly(item)]
        if rest := [item for item in items if item not in deadly]:
            yield self._executor, rest
        for item in deadly:
            yield self._alone, [item]

    def _is_deadly(self, item: Item) -> bool:
        _, _, run = item
        earlier = self._store.find(run.key, run.identity)
        error = earlier.error if earlier is not None else None
        died = error is not None and error["class"] == _DIED
        return (died or self._attempts.abandoned(run.identity) > 0) and not _is_here_alone(run)

    def _try(self, executor: Executor, group: Sequence[Item], *, last: bool = False) -> None:
        """Do a group to the end, in as many goes as it has runs that end one."""
        left = list(group)

        def done(record: RunRecord) -> None:
            item = left.pop(0)
            if not last and _is_by_machine(record):
                self._again(item, _in_words(record))
            else:
                self._finish(item, record)

        while left and not self._over:
            try:
                executor.do(tuple(left), self._listener, done)
            except ChildDiedError as died:
                if self._over:
                    return
                item = left.pop(0)
                if died.by_machine and not last:
                    self._again(item, str(died))
                else:
                    self._finish(item, self._record_death(item, died, twice=last))

    def _again(self, item: Item, why: str) -> None:
        """Put a run off until nothing else of this sweep is going on."""
        plan, task, run = item
        if _is_here_alone(run):
            return
        self._listener.put_off(run, why)
        earlier = self._store.changed(run.key, run.identity)
        self._put_off.append((plan, task, dataclasses.replace(run, earlier=earlier)))

    def _finish(self, item: Item, record: RunRecord) -> None:
        _, _, run = item
        self._attempts.forget(run.identity)
        if record.status == "ok":
            remove_logs(self._store.root, [run.identity])
        if run.identity in self._written:
            return
        self._written[run.identity] = record
        self._listener.finished(run, record)
        if self._fail_fast and record.status == "failed":
            self._end()

    def _by_another(self, item: Item) -> RunRecord | None:
        """The record written since the plan was made; a failure of before is no such."""
        plan, _, run = item
        record = self._store.find(run.key, run.identity)
        if record is None or record.status != "ok":
            changed = self._store.changed(run.key, run.identity)
            return record if changed != run.earlier else None
        return record if plan.request.is_answered_by(record) else None

    def _record_death(self, item: Item, died: ChildDiedError, *, twice: bool) -> RunRecord:
        """The record of a run that ended its process, put on disk."""
        plan, task, run = item
        context = TaskContext(request=plan.request, task=task, device=self._device)
        begun = begin_record(RunContext(of_task=context, run=run))
        again = "; so it did before, beside other runs" if twice else ""
        error = {
            "class": _DIED,
            "message": f"{died}{again}",
            "traceback": died.last_words,
            "log": log_name(run.identity),
        }
        return write_failure(self._store, dataclasses.replace(begun, error=error))


class _OneAtATime:
    """A listener that several threads tell.

    Args:
        listener: The one that each call is passed to.
    """

    def __init__(self, listener: Listener) -> None:
        self._listener, self._lock = listener, threading.RLock()

    def started(self, run: PlannedRun) -> None:
        with self._lock:
            self._listener.started(run)

    def advanced(self, run: PlannedRun, samples: int) -> None:
        with self._lock:
            self._listener.advanced(run, samples)

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        with self._lock:
            self._listener.finished(run, record)

    def put_off(self, run: PlannedRun, why: str) -> None:
        with self._lock:
            self._listener.put_off(run, why)

    def moved(self, run: PlannedRun, why: str) -> None:
        with self._lock:
            self._listener.moved(run, why)


def _groups(plans: Iterable[Plan]) -> Iterator[list[Item]]:
    """What there is to do, the runs together that share a network's features."""
    for plan in plans:
        for task in plan.tasks:
            for group in task.groups:
                yield [(plan, task, run) for run in group]


def _size(group: Sequence[Item]) -> float:
    """The values that go through a group's networks, of which a training pass takes three times."""
    return sum(
        (3 * run.passes.train + run.passes.evaluate) * math.prod(task.input_shape)
        for _, task, run in group
    )


def _identity(item: Item) -> str:
    *_, run = item
    return run.identity


def _is_here_alone(run: PlannedRun) -> bool:
    """Whether no other process would find the run's method."""
    return run.method is not None and is_of_this_process(run.method)


def _is_by_machine(record: RunRecord) -> bool:
    """Whether a run failed for want of the machine's memory."""
    error = record.error or {}
    return error.get("class") in _OUT_OF_MEMORY or _NO_MEMORY in error.get("message", "")


def _in_words(record: RunRecord) -> str:
    error = record.error or {}
    return f"{error.get('class')}: {error.get('message')}"
