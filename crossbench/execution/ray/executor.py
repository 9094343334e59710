"""Runs as tasks of a Ray cluster: each group on one machine, its records written here alone."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.environment.arithmetic import thread_count
from crossbench.errors import RecordError, RequestError
from crossbench.errors.foreign import ChildDiedError, describe
from crossbench.execution.isolation import UNLIMITED, Limits
from crossbench.execution.logs import RunLog
from crossbench.execution.processes import Processes
from crossbench.execution.ray import nodes
from crossbench.execution.ray.parcels import pack
from crossbench.execution.relay import Relay, describe_group
from crossbench.execution.resources import Needs, kind_of
from crossbench.files.scratch import make_scratch
from crossbench.results.records.files import read_record
from crossbench.results.records.writing import copy_run, naming
from crossbench.runs.execute import write_failure, write_success
from crossbench.specs import ComputeSettings
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import torch

    from crossbench.execution.ray.parcels import Parcel, Tree
    from crossbench.execution.sweep import Item
    from crossbench.results.records.store import Store
    from crossbench.runs.execute import Listener
    from crossbench.specs import RunRecord

_LOSSES = 3  # of nodes or their processes that one group may meet
_THREADS = "OMP_NUM_THREADS"


class Ray:
    """The executor that gives each group to a machine of a cluster.

    This process must be connected (:func:`crossbench.execution.ray.connection.connected`).

    Args:
        store: Where records go.
        device: Where networks run, on each machine.
        jobs: Groups at a time at most; None for as many as the cluster has room for.
        limits: What each process may use; time counts for each run.

    Attributes:
        here: What does work on this machine that runs need first.

    Raises:
        RequestError: If no node has room for a run.
    """

    def __init__(
        self,
        store: Store,
        device: torch.device,
        *,
        jobs: int | None = None,
        limits: Limits = UNLIMITED,
    ) -> None:
        self._store, self._device, self._limits = store, device, limits
        self.here = Processes(store, device, limits=limits)
        self._variables = {_THREADS: os.environ[_THREADS]} if _THREADS in os.environ else {}
        self._needs = Needs(gpu=device.type == "cuda", limit=limits.memory)
        self._parcels = _Parcels()
        self._unfit: dict[str, str] = {}
        self._working: set[Any] = set()
        self._lock = threading.Lock()
        self._stopped = False
        first = self._needs.of(None, cpus=thread_count(ComputeSettings()))
        self._check_room(first)
        self.jobs = jobs or self._room(first)

    def do(
        self,
        group: Sequence[Item],
        listener: Listener,
        done: Callable[[RunRecord], object],
    ) -> None:
        """Have one node do a group; see :class:`crossbench.execution.sweep.Executor`.

        Where a node is lost, another does the runs that are left.
        """
        left, losses = list(group), 0

        def finish(record: RunRecord) -> None:
            left.pop(0)
            self._needs.learn(kind_of(group), record)
            done(record)

        with RunLog(self._store.root) as log:
            relay = Relay(group, listener, finish, log)
            while left:
                try:
                    self._send(left, relay)
                except _LostError as lost:
                    losses += 1
                    if losses == _LOSSES:
                        reason = f"{lost}, and so were {losses - 1} others before"
                        raise ChildDiedError(-signal.SIGKILL, reason=reason) from lost
                    listener.moved(left[0][2], str(lost))

    def stop(self) -> None:
        """Withdraw what is being done, and begin nothing more."""
        import ray

        with self._lock:
            self._stopped = True
            working = list(self._working)
        self.here.stop()
        for task in working:
            ray.cancel(task)

    def kill(self) -> None:
        """End at once what :meth:`stop` has not ended."""
        import ray

        with self._lock:
            working = list(self._working)
        self.here.kill()
        for task in working:
            ray.cancel(task, force=True)

    def _send(self, group: Sequence[Item], relay: Relay) -> None:
        """Order runs, anew where a node is unfit or lacks files, until a node did them."""
        parcel = self._parcels.of(group)
        while True:
            task = self._order(group, parcel)
            try:
                wanted = self._hear(task, relay)
            finally:
                with self._lock:
                    self._working.discard(task)
            if wanted is None:
                return
            self._parcels.send(parcel, wanted)

    def _order(self, group: Sequence[Item], parcel: Parcel) -> Any:
        """Submit a group to whichever node has room for it."""
        import ray

        compute = group[0][0].request.preset.compute
        needed = self._needs.of(kind_of(group), cpus=thread_count(compute))
        if not self._room(needed):  # what was measured has found room before
            needed = replace(needed, memory=self._limits.memory or 0)
        self._check_room(needed)
        asked = to_mapping(describe_group(group, out="", device=self._device))
        order = {
            "software": nodes.software(),
            "group": asked | {"request": parcel.request},
            "carries": parcel.carried,
            "states": {name: (str(tree.root), tree.states) for name, tree in parcel.trees.items()},
            "limits": asdict(self._limits),
            "variables": self._variables,
        }
        unfit = {"ray.io/node-id": f"!in({','.join(self._unfit)})"} if self._unfit else None
        remote = ray.remote(nodes.work).options(
            name=f"crossbench {group[0][2].key}",
            num_returns="streaming",
            max_retries=0,
            num_cpus=needed.cpus,
            num_gpus=needed.gpus,
            memory=needed.memory or None,
            label_selector=unfit,
        )
        with self._lock:
            if self._stopped:
                raise KeyboardInterrupt
            task = remote.remote(order, self._parcels.sent_of(parcel))
            self._working.add(task)
        return task

    def _hear(self, task: Any, relay: Relay) -> list[str] | None:
        """Pass on all that a node says of an order; the trees that it wants before it begins."""
        import ray

        with self._in_words():
            for reference in task:
                said = nodes.Said(**ray.get(reference))
                if said.kind == "end":
                    return None
                if said.kind == "wants":
                    return list(said.value)
                if said.kind == "unfit":
                    self._exclude(*said.value)
                    return []
                self._pass_on(said, relay)
            raise _LostError("its node ended the work without a word")

    def _pass_on(self, said: nodes.Said, relay: Relay) -> None:
        """Pass on news and prints, and how a process has ended before its work was done."""
        if said.kind == "news":
            written = {"record": to_mapping(self._take(said.files))} if said.files else {}
            relay.hear(said.value | written)
        elif said.kind == "printed":
            relay.note(said.files[""])
        else:
            end = {"code": 0, "verdict": "refused", "last_words": ""} | said.value
            raise ChildDiedError(
                end["code"], end["last_words"], verdict=end["verdict"], reason=end["reason"]
            )

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Raise what Ray raises as what a sweep knows."""
        import ray

        try:
            yield
        except ray.exceptions.TaskCancelledError as error:
            raise KeyboardInterrupt from error
        except ray.exceptions.OutOfMemoryError as error:
            raise ChildDiedError(-signal.SIGKILL, reason=_first(error)) from error
        except ray.exceptions.RayTaskError as error:
            reason = f"its node failed: {describe(error.cause)}"
            raise ChildDiedError(0, verdict="refused", reason=reason) from error
        except ray.exceptions.RayError as error:
            if self._stopped:
                raise KeyboardInterrupt from error
            raise _LostError(_first(error)) from error

    def _take(self, files: dict[str, bytes]) -> RunRecord:
        """Write the record that a node has sent, with what lies beside it."""
        scratch = make_scratch()
        try:
            for name, content in files.items():
                (scratch / Path(name).name).write_bytes(content)
            path = next((each for each in scratch.iterdir() if each.suffix == ".json"), None)
            if path is None:
                raise RecordError(f"a node sent {', '.join(files)}, and no record among them")
            record = read_record(path)
            if record.status == "failed":
                return write_failure(self._store, record)
            return write_success(self._store, record, lambda: self._copy(path, record))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _copy(self, path: Path, record: RunRecord) -> None:
        target = self._store.path_of(record.key, record.identity)
        with naming(target):
            copy_run(path, record, target)

    def _exclude(self, node: str, reason: str) -> None:
        """Send nothing more to a node whose software is another."""
        with self._lock:
            self._unfit[node] = reason

    def _room(self, needed: Any) -> int:
        """How many tasks the cluster has room for at once."""
        import ray

        known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        alive = [each for each in known if each["Alive"]]
        fit = [each["Resources"] for each in alive if each["NodeID"] not in self._unfit]
        return int(needed.among(fit))

    def _check_room(self, needed: Any) -> None:
        if not self._room(needed):
            unfit = "".join(f"\n{node[:8]} has {why}" for node, why in self._unfit.items())
            msg = f"no node of the Ray cluster has room for a run, which takes {needed}"
            raise RequestError(f"{msg}; `ray status` shows what there is{unfit}")


class _Parcels:
    """What the runs on each task read, and what of it was sent into the object store."""

    def __init__(self) -> None:
        self._packed: dict[int, tuple[Any, Parcel]] = {}
        self._sent: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def of(self, group: Sequence[Item]) -> Parcel:
        """The parcel of a group's task, packed once."""
        plan, task, _ = group[0]
        with self._lock:
            if id(task) not in self._packed:
                self._packed[id(task)] = task, pack(plan, task)
            return self._packed[id(task)][1]

    def sent_of(self, parcel: Parcel) -> dict[str, Any]:
        """By tree of those that were sent, digest and references of the pieces of each file."""
        with self._lock:
            return dict(self._sent.get(id(parcel), {}))

    def send(self, parcel: Parcel, wanted: Sequence[str]) -> None:
        """Put trees into the object store, each once.

        Raises:
            RequestError: If it does not hold them.
        """
        with self._lock:
            sent = self._sent.setdefault(id(parcel), {})
            for tree in wanted:
                if tree not in sent:
                    sent[tree] = _put(parcel.trees[tree])


def _put(tree: Tree) -> dict[str, tuple[str, list[Any]]]:
    import ray

    try:
        return {
            place: (tree.digests[place], [ray.put(piece) for piece in tree.pieces(place)])
            for place in tree.files
        }
    except (ray.exceptions.ObjectStoreFullError, ray.exceptions.OutOfDiskError) as error:
        size = sum(path.stat().st_size for path in tree.files.values())
        msg = f"Ray's object store does not hold the {size / 2**20:,.0f} MiB below {tree.root}"
        remedy = "start the cluster with a larger --object-store-memory, or put the files there"
        raise RequestError(f"{msg}; {remedy} on every node") from error


class _LostError(Exception):
    """A node, or Ray's process on it, that ended in the middle."""


def _first(error: Exception) -> str:
    """The first sentence of what Ray says, which goes on for paragraphs."""
    return str(error).strip().splitlines()[0].partition(". ")[0].rstrip(".")
