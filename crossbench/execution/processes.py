"""Runs in processes of their own: one for each group, used once, limited, and seen to its end."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from crossbench.errors import CrossbenchError
from crossbench.errors.foreign import ChildDiedError
from crossbench.execution import isolation
from crossbench.execution.gpus import Gpus
from crossbench.execution.isolation import UNLIMITED, Limits
from crossbench.execution.logs import RunLog, log_name
from crossbench.execution.relay import Relay, describe_group
from crossbench.execution.resources import Needs, kind_of
from crossbench.files.atomic import remove_abandoned
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    from crossbench.execution.isolation import Child
    from crossbench.execution.sweep import Item
    from crossbench.results.records.store import Store
    from crossbench.runs.execute import Listener
    from crossbench.specs import RunRecord


class Processes:
    """The executor that gives each group to a process forked for it.

    Args:
        store: Where records go.
        device: Where networks run; ``cuda`` without a number spreads them over all GPUs that
            ``$CUDA_VISIBLE_DEVICES`` leaves, several to one where their memory allows.
        jobs: Processes at a time.
        limits: What each may use; time counts for each run.
    """

    def __init__(
        self, store: Store, device: torch.device, *, jobs: int = 1, limits: Limits = UNLIMITED
    ) -> None:
        self.jobs = jobs
        self._store, self._device, self._limits = store, device, limits
        self._needs = Needs(gpu=device.type == "cuda", limit=limits.memory)
        spread = device.type == "cuda" and device.index is None and jobs > 1
        self._gpus = Gpus(torch.cuda.device_count()) if spread else None
        self._working: set[Child] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def do(
        self,
        group: Sequence[Item],
        listener: Listener,
        done: Callable[[RunRecord], object],
    ) -> None:
        """Have one process do a group; see :class:`crossbench.execution.sweep.Executor`."""

        def finish(record: RunRecord) -> None:
            self._needs.learn(kind_of(group), record)
            done(record)

        with self._place(kind_of(group)) as device, RunLog(self._store.root) as log:
            relay = Relay(group, listener, finish, log)
            child = self._start_group(group, device)
            try:
                child.result(self._limits, relay.hear, relay.note)
            except ChildDiedError as died:
                self._clean(group)
                if self._stopped:
                    raise KeyboardInterrupt from died
                raise
            except CrossbenchError as error:
                reason = str(error).replace(f"{self._store.root}/", "")  # it goes into a record
                raise ChildDiedError(0, verdict="refused", reason=reason) from error
            finally:
                with self._lock:
                    self._working.discard(child)

    @property
    def here(self) -> Processes:
        """What does work on this machine that runs need first: this."""
        return self

    def call(
        self,
        work: str,
        arguments: Mapping[str, Any],
        *,
        name: str,
        identity: str,
        hear: Callable[[Any], object],
    ) -> None:
        """Have one process do work that is no run.

        Args:
            work: ``module:function``.
            arguments: Its arguments by name, as JSON.
            name: What it is called where its process died.
            identity: Tells it from all other work of the results folder; its log is named by that.
            hear: Called with each value that the work tells.

        Raises:
            CrossbenchError: If the work raised one, or its process died; the message is the same,
                or says where what it printed is.
        """
        with RunLog(self._store.root) as log:
            log.begin(identity)
            child = self._start(work, arguments)
            try:
                child.result(self._limits, hear, log.note)
            except ChildDiedError as died:
                if self._stopped:
                    raise KeyboardInterrupt from died
                where = f"; what it printed is in {log_name(identity)}"
                raise ChildDiedError(
                    died.code,
                    died.last_words,
                    verdict=died.verdict,
                    reason=f"{name}: {died}{where}",
                ) from died
            finally:
                with self._lock:
                    self._working.discard(child)

    def stop(self) -> None:
        """End what is being done, which leaves nothing half-written, and begin nothing more."""
        with self._lock:
            self._stopped = True
            working = list(self._working)
        if self._gpus is not None:
            self._gpus.close()
        for child in working:
            child.interrupt()

    def kill(self) -> None:
        """End at once what :meth:`stop` has not ended."""
        with self._lock:
            for child in self._working:
                child.kill()

    @contextmanager
    def _place(self, kind: Hashable) -> Iterator[torch.device]:
        """Where runs of a kind are done: the first on a GPU of their own, as far as there are."""
        if self._gpus is None:
            yield self._device
            return
        with self._gpus.place(lambda: self._needs.of(kind, cpus=1).gpus) as number:
            yield torch.device("cuda", number)

    def _start_group(self, group: Sequence[Item], device: torch.device) -> Child:
        asked = describe_group(group, out=str(self._store.root), device=device)
        return self._start("crossbench.execution.group:do_group", {"group": to_mapping(asked)})

    def _start(self, work: str, arguments: Mapping[str, Any]) -> Child:
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            child = isolation.start(work, arguments)
            self._working.add(child)
        return child

    def _clean(self, group: Sequence[Item]) -> None:
        """Remove the drafts that a process which died has left."""
        plan, *_ = group[0]
        folders = {self._store.path_of(run.key, run.identity).parent for _, _, run in group}
        for folder in (*folders, *plan.request.cache_dir.glob("*/")):
            remove_abandoned(folder)
