"""A transfer that is carried out: networks are pretrained first, then runs start from them."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench import pretraining
from crossbench.environment.arithmetic import find_device
from crossbench.environment.state import own_randomness, restored
from crossbench.errors import CrossbenchError
from crossbench.execution.child import tell
from crossbench.execution.claims import Claims
from crossbench.execution.local import execute_all
from crossbench.execution.logs import remove_logs
from crossbench.execution.signals import ending_in_order
from crossbench.files.hashing import hash_json
from crossbench.specs.reader import from_mapping, to_mapping
from crossbench.transfer.plan import pretrained_plans

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    import torch

    from crossbench.execution.processes import Processes
    from crossbench.execution.ray.executor import Ray
    from crossbench.pretraining import Pretraining
    from crossbench.results.records.store import Store
    from crossbench.runs.execute import Listener
    from crossbench.runs.plan import Plan
    from crossbench.specs import RunRecord
    from crossbench.transfer.plan import TransferPlan

    Watch = Callable[[Pretraining], AbstractContextManager[pretraining.Listener]]


def run(
    plan: TransferPlan,
    store: Store,
    device: torch.device,
    *,
    watch_pretraining: Watch,
    watch_plans: Callable[[Sequence[Plan]], AbstractContextManager[Listener]],
    executor: Processes | Ray | None = None,
) -> tuple[list[RunRecord], int]:
    """Pretrain what is missing, then run every protocol from random and from pretrained weights.

    Processes that do the same loop into one folder share its work.

    Args:
        plan: What to do.
        store: Where records go.
        device: Where networks run.
        watch_pretraining: Makes the listener of one pretraining.
        watch_plans: Makes the listener of the runs.
        executor: Does the runs, and this machine's part of it the pretraining, each in a process
            of its own; None has this process do them.

    Returns:
        The records of the runs that were not there before, and how many runs failed before and
        were left at that.

    Raises:
        CrossbenchError: If a network cannot be pretrained; the runs that need none are done first.
    """
    trainer = _Trainer(
        plan, store, device, watch_pretraining, None if executor is None else executor.here
    )

    def execute(
        plans: Sequence[Plan], *, wait: bool, first: Callable[[], None] | None = None
    ) -> list[RunRecord]:
        with watch_plans(plans) as listener:
            return execute_all(
                plans,
                store,
                device=device,
                listener=listener,
                wait=wait,
                executor=executor,
                first=first,
            )

    with nullcontext() if executor is None else ending_in_order():
        # While others still pretrain, there are runs that need no pretrained weights.
        if executor is None:
            trainer.do(wait=False)
        take_part = None if executor is None else trainer.take_part
        execute([*plan.scratch, *plan.named], wait=False, first=take_part)
        trainer.do(wait=True)
        plans = [*plan.named]
        for scratch in plan.scratch:
            plans += [scratch, *pretrained_plans(plan, store, scratch)]
        return execute(plans, wait=True), sum(len(each.left_failed) for each in plans)


class _Trainer:
    """The pretrainings of a transfer, each done once by whichever process claims it.

    Args:
        plan: The transfer.
        store: Where weights go.
        device: Where networks are trained.
        watch: Makes the listener of one pretraining.
        processes: Has each done in a process of its own; None has this process do them.
    """

    def __init__(
        self,
        plan: TransferPlan,
        store: Store,
        device: torch.device,
        watch: Watch,
        processes: Processes | None,
    ) -> None:
        self._plan, self._store, self._device = plan, store, device
        self._watch, self._processes = watch, processes
        self._seats = threading.Semaphore(processes.jobs if processes else 1)
        self._done: set[str] = set()

    def take_part(self) -> None:
        """Pretrain what nobody has begun, unless as many are at it as there are processes.

        What fails is left to :meth:`do`.
        """
        if not self._seats.acquire(blocking=False):
            return
        try:
            self.do(wait=False, then=lambda _: None)
        finally:
            self._seats.release()

    def do(self, *, wait: bool, then: Callable[[CrossbenchError], None] | None = None) -> None:
        """Pretrain what is missing, one network after the other.

        Args:
            wait: Whether what others are pretraining is waited for.
            then: Told why one could not be pretrained; by default that is raised.
        """
        left = [each for each in self._plan.pretrainings if _name(each) not in self._done]
        each_alone = [[planned] for planned in left]
        for [planned] in Claims(self._store.root).each(each_alone, _name, wait=wait):
            if _name(planned) in self._done:
                continue
            try:
                self._pretrain(planned)
            except CrossbenchError as error:
                if then is None:
                    raise
                then(error)
            else:
                self._done.add(_name(planned))
                remove_logs(self._store.root, [_identity(planned)])

    def _pretrain(self, planned: Pretraining) -> None:
        if self._processes is None:
            with self._watch(planned) as listener:
                pretraining.pretrain(planned, listener=listener)
        elif pretraining.finished(planned) is None:
            with self._watch(planned) as listener:
                self._processes.call(
                    "crossbench.transfer.run:do_pretraining",
                    {"request": to_mapping(planned.asked), "device": str(self._device)},
                    name=_name(planned),
                    identity=_identity(planned),
                    hear=_Relay(planned, listener),
                )


class _Relay:
    """Passes on what the process that pretrains a network tells."""

    def __init__(self, planned: Pretraining, listener: pretraining.Listener) -> None:
        self._planned, self._listener = planned, listener

    def __call__(self, told: dict[str, Any]) -> None:
        if "row" in told:
            self._listener.epoch_done(told["row"])
        else:
            self._listener.started(self._planned, told["samples"])


class _Teller(pretraining.Silence):
    """Tells the process that asked for a network how far its training is."""

    def started(self, planned: Pretraining, samples: int) -> None:  # noqa: ARG002
        tell({"samples": samples}, begins=True)

    def epoch_done(self, row: dict[str, Any]) -> None:
        tell({"row": row})


def do_pretraining(request: dict[str, Any], device: str) -> None:
    """Pretrain one network of a transfer.

    Args:
        request: A :class:`~crossbench.pretraining.PretrainRequest` as JSON.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """
    asked = from_mapping(pretraining.PretrainRequest, request, where="request")
    with restored(), own_randomness(0):
        planned = pretraining.prepare(asked, find_device(device))
    pretraining.pretrain(planned, listener=_Teller())


def _name(planned: Pretraining) -> str:
    """What tells a pretraining from all others of its results folder."""
    return str(pretraining.record_path(planned).relative_to(Path(planned.asked.out)))


def _identity(planned: Pretraining) -> str:
    """The digits that its log is named by, as a run's is."""
    return hash_json(_name(planned))
