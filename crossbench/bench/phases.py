"""One whole run, its time charged to phases from outside: the code that is run knows nothing."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from crossbench import api
from crossbench.bench.measure import failure, forget_peak
from crossbench.data.transforms import ImageTransform, VolumeTransform
from crossbench.environment.arithmetic import finish
from crossbench.environment.provenance import resident_peak
from crossbench.execution import local
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.store import Store
from crossbench.runs import plan
from crossbench.training.loader import Feed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import torch

    from crossbench.bench.jobs import Job
    from crossbench.runs.plan import Plan

#: The phases of a run, in its order; ``other`` is planning, building the network, bookkeeping.
PHASES = ("load", "augment", "forward", "backward", "evaluate", "write", "other")

# Functions by owner and name; passes of networks and steps of optimisers have hooks.
_CHARGED: dict[tuple[Any, str], str] = {
    (plan, "open_task"): "load",
    (Feed, "_gather"): "load",
    (ImageTransform, "__call__"): "augment",
    (VolumeTransform, "__call__"): "augment",
    (Predictions, "scores"): "evaluate",
    (Store, "write"): "write",
}


class Stopwatch:
    """Charges all time to one phase at a time: the one that was entered last."""

    def __init__(self, device: torch.device) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._device = device
        self._open = ["other"]
        self._since = perf_counter()

    def enter(self, phase: str) -> None:
        """From here on ``phase`` pays."""
        self.charge()
        self._open.append(phase)

    def leave(self) -> None:
        """The phase before pays again."""
        self.charge()
        self._open.pop()

    def charge(self) -> None:
        """Charge the time since the last change to who has to pay it."""
        finish(self._device)
        now = perf_counter()
        self.seconds[self._open[-1]] += now - self._since
        self._since = now

    def watched(self, phase: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """``call``, its time charged to ``phase``."""

        def watched(*arguments: Any, **named: Any) -> Any:
            self.enter(phase)
            try:
                return call(*arguments, **named)
            finally:
                self.leave()

        return watched


def measure_run(job: Job, method: str, device: torch.device) -> dict[str, Any]:
    """Run the first seed and fold of a task as ``crossbench run`` does.

    Batches are read in step (``compute.workers=0``), so that reading has a time of its own.

    Returns:
        The outcome as parts of a Measurement; ``samples`` went through the network in all, of
        the ``shape`` that is stored.
    """
    before = forget_peak()
    with TemporaryDirectory() as folder:
        watch = Stopwatch(device)
        store = Store(Path(folder))
        with _watching(watch):
            planned = _plan(job, method, store)
            (record,) = local.execute(planned, store, device=device)
        watch.charge()
    if record.error is not None:
        return failure(record.error["class"], record.error["message"])
    on_device = record.peak_memory.get("cuda")
    return {
        "status": "ok",
        "seconds": [sum(watch.seconds.values())],
        "peak_memory": _grown(before) if on_device is None else on_device,
        "parameters": record.parameters["total"],
        "phases": {phase: watch.seconds[phase] for phase in PHASES},
        "samples": sum(passes.total for passes in plan.count_passes(planned).values()),
        "shape": list(planned.tasks[0].sample_shape),
    }


def _grown(before: int | None) -> int | None:
    """Bytes that the peak of this process is above an earlier one."""
    return None if before is None else (resident_peak() or 0) - before


def _plan(job: Job, method: str, store: Store) -> Plan:
    run, setup = job.run, job.setup
    if run is None:
        msg = "a job to measure a run needs one"
        raise ValueError(msg)
    precision = "bfloat16" if setup.dtype == "bfloat16" else "float32"
    compute = {"threads": setup.threads, "precision": f'"{precision}"', "workers": 0}
    compute["tf32"] = str(setup.dtype == "tf32").lower()
    return api.prepare(
        method,
        run.task,
        store=store,
        preset=run.preset,
        protocol=run.protocol,
        backbone=run.backbone,
        settings=[*run.settings, *(f"compute.{key}={value}" for key, value in compute.items())],
        plugins=setup.plugins,
        limit=1,
    )


@contextmanager
def _watching(watch: Stopwatch) -> Iterator[None]:
    """Charge what this process does to the phase that it belongs to."""
    originals = {(owner, name): getattr(owner, name) for owner, name in _CHARGED}
    hooks = _watch_networks(watch)
    for (owner, name), phase in _CHARGED.items():
        setattr(owner, name, watch.watched(phase, originals[owner, name]))
    try:
        yield
    finally:
        for (owner, name), original in originals.items():
            setattr(owner, name, original)
        for hook in hooks:
            hook.remove()


def _watch_networks(watch: Stopwatch) -> list[Any]:
    """Charge whole passes: in training to ``forward`` and what follows to ``backward``.

    ``backward`` lasts from the end of a pass to the end of the optimiser's step, the loss
    included; a pass in eval mode is a part of ``evaluate``. Before the first batch, networks are
    only built and tried.
    """
    depth = 0

    def enter(module: torch.nn.Module, _: Any) -> None:
        nonlocal depth
        if depth == 0 and "augment" in watch.seconds:
            watch.enter("forward" if module.training else "evaluate")
        depth += 1

    def leave(module: torch.nn.Module, *_: Any) -> None:
        nonlocal depth
        depth -= 1
        if depth == 0 and "augment" in watch.seconds:
            watch.leave()
            if module.training:
                watch.enter("backward")

    return [
        register_module_forward_pre_hook(enter),
        register_module_forward_hook(leave, always_call=True),
        register_optimizer_step_post_hook(lambda *_: watch.leave()),
    ]
