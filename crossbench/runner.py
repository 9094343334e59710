"""One planned run to one record; a plan to many.

Processes that execute the same plan into one folder share its runs.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch

from crossbench.cards import to_mapping
from crossbench.claims import Claims
from crossbench.errors import DataError, RecordError, RequestError
from crossbench.evaluation.probabilities import as_stored
from crossbench.execution import isolation
from crossbench.execution.attempts import Attempts
from crossbench.foreign import kind_of, message_of, show, traceback_of
from crossbench.plan import card_hash, feature_source, fit_settings, is_finished, open_dataset
from crossbench.provenance import (
    git_state,
    hardware,
    method_origin,
    package_versions,
    resident_peak,
)
from crossbench.results.store import Predictions
from crossbench.routes import produce
from crossbench.site import Site
from crossbench.specs import RunRecord
from crossbench.training.environment import arithmetic, derive_seed, thread_count
from crossbench.training.protocols import LinearProbe
from crossbench.training.state import own_randomness, unchanged

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from crossbench.data.dataset import Dataset
    from crossbench.plan import Plan, PlannedRun, TaskPlan
    from crossbench.results.store import Store
    from crossbench.routes import Product

    Item: TypeAlias = tuple[Plan, TaskPlan, PlannedRun]


_ABANDONED_AT_MOST = 1
_DIED = "Died"  # the class of error of a run that ended its process


class Listener(Protocol):
    """Who wants to know how a plan gets on; every call may be ignored."""

    def started(self, run: PlannedRun) -> None:
        """A run begins."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """``samples`` more went through the network."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """The run's record is on disk."""


class Silence:
    """A listener that ignores everything."""

    def started(self, run: PlannedRun) -> None:
        """Ignore."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Ignore."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Ignore."""


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
    site: Site | None = None
    claims = Claims(store.root)
    attempts = Attempts(store.root, locked=claims.shared)
    for plan, task, run in claims.each(_groups(plans), _identity, wait=wait):
        record = _by_another(plan, run, store)
        if record is None:
            if site is None or site.request is not plan.request or site.task is not task:
                site = _open(plan, task, device)
            listener.started(run)
            record = _attempt(site, run, store, listener, attempts)
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
                return _record(_open(plan, task, device), run, store, Silence())
    msg = f"run {identity[:8]} is not what was planned: its data, weights or method have changed"
    raise RequestError(f"{msg} since; start the command again")


def _open(plan: Plan, task: TaskPlan, device: torch.device) -> Site:
    """What the runs on a task share; data that is gone since the plan fails each of them."""
    opened: Dataset | DataError
    try:
        opened = open_dataset(plan.request, task.card)
    except DataError as error:
        opened = error
    return Site(request=plan.request, task=task, opened=opened, device=device)


def _groups(plans: Iterable[Plan]) -> Iterator[list[Item]]:
    """What there is to do, the runs together that share a network's features."""
    for plan in plans:
        probes = isinstance(plan.request.protocol, LinearProbe)
        for task in plan.tasks:
            groups: dict[Hashable, list[Item]] = defaultdict(list)
            for run in task.todo:
                shares = probes and not run.key.plain
                group = feature_source(plan.request, run) if shares else run.identity
                groups[group].append((plan, task, run))
            yield from groups.values()


def _identity(item: Item) -> str:
    *_, run = item
    return run.identity


def _by_another(plan: Plan, run: PlannedRun, store: Store) -> RunRecord | None:
    """The record that has been written since the plan was made; a failure of before is no such."""
    record = store.find(run.key, run.identity)
    if record is None or record.status != "ok":
        return record if store.changed(run.key, run.identity) != run.earlier else None
    return record if is_finished(record, plan.request) else None


def _attempt(
    site: Site, run: PlannedRun, store: Store, listener: Listener, attempts: Attempts
) -> RunRecord:
    """One attempt at a run, in a process of its own where an earlier one ended its process."""
    earlier = store.find(run.key, run.identity)
    with attempts.begin(run.identity) as abandoned:
        if abandoned > _ABANDONED_AT_MOST:
            return _died(site, run, store, "its process ended twice, nobody saw how", "")
        if abandoned or _has_died(earlier):
            return _record_alone(site, run, store, abandoned)
        return _record(site, run, store, listener)


def _has_died(record: RunRecord | None) -> bool:
    return record is not None and record.error is not None and record.error["class"] == _DIED


def _record_alone(site: Site, run: PlannedRun, store: Store, abandoned: int) -> RunRecord:
    """One run in a process of its own, whose end is a record too."""
    arguments = {
        "asked": site.request.asked,
        "out": str(store.root),
        "device": str(site.device),
        "identity": run.identity,
        "abandoned": abandoned,
    }
    try:
        error = isolation.call("crossbench.api:run_alone", arguments)
    except isolation.ChildDiedError as died:
        return _died(site, run, store, str(died), died.last_words)
    if error is not None:
        return dataclasses.replace(_begin(site, run), error=error)
    record = store.find(run.key, run.identity)
    if record is None:
        raise RecordError(f"{store.path_of(run.key, run.identity)}: was just written and is gone")
    return record


def _died(site: Site, run: PlannedRun, store: Store, message: str, trace: str) -> RunRecord:
    """The record of a run that ended its process, put on disk."""
    error = {"class": _DIED, "message": message, "traceback": trace}
    return _write_failure(store, dataclasses.replace(_begin(site, run), error=error))


def _record(site: Site, run: PlannedRun, store: Store, listener: Listener) -> RunRecord:
    """One run in this process, put on disk with all that goes with it."""
    with arithmetic(site.request.preset.compute):
        record, predictions, product = _produce(site, run, listener)
    if predictions is None or product is None:
        return _write_failure(store, record)
    fitted = product.fitted
    write_weights = None if fitted is None else fitted.write
    store.write(record, predictions, write_weights, product.diagnostics)
    return record


def _write_failure(store: Store, record: RunRecord) -> RunRecord:
    """Put a failure on disk, but not in the place of a run that had succeeded."""
    earlier = store.find(record.key, record.identity)
    if earlier is None or earlier.status != "ok":
        store.write(record, None)
    return record


def _begin(site: Site, run: PlannedRun) -> RunRecord:
    """What a run's record says as long as nothing has come of it."""
    return RunRecord(
        identity=run.identity,
        key=run.key,
        status="failed",
        source=site.task.source,
        dimension=site.task.card.dimension,
        metric=site.request.preset.metric or site.task.card.metric,
        grouped=run.split.grouped,
        counts={
            "train": len(run.split.train),
            "val": len(run.split.val),
            "test": len(run.split.test),
        },
        warnings=run.warnings,
        provenance=_provenance(site, run, datetime.now(UTC)),
    )


def _produce(
    site: Site, run: PlannedRun, listener: Listener
) -> tuple[RunRecord, Predictions | None, Product | None]:
    """One run, whose failure is a record too."""
    base = _begin(site, run)
    clock = perf_counter()
    try:
        _check_data(site, run)
        with unchanged(), own_randomness(derive_seed("global", run.identity)):
            product = produce(site, run, lambda samples: listener.advanced(run, samples))
        predictions = Predictions(
            index=run.split.test,
            label=site.dataset.labels[run.split.test],
            log_probabilities=as_stored(product.log_probabilities),
        )
        scores = predictions.scores(site.task.card.classes)
        site.dataset.check_unchanged()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (whatever it was, the other runs go on)
        return dataclasses.replace(base, error=_describe(error)), None, None
    timings = product.record.get("timings", {}) | {"total": perf_counter() - clock}
    record = dataclasses.replace(
        base,
        status="ok",
        metrics=scores.metrics,
        undefined=scores.undefined,
        partial=scores.partial,
        per_class=scores.per_class,
        peak_memory=_peak_memory(site.device),
        warnings=base.warnings + product.warnings,
        provenance=base.provenance | product.provenance,
        **product.record | {"timings": timings},
    )
    return record, predictions, product


def _check_data(site: Site, run: PlannedRun) -> None:
    """Refuse samples that are not those that the run was planned on."""
    planned, opened = run.hashes["data"], site.dataset.content_hash
    if opened != planned:
        msg = f"{site.dataset.file} is not what it was when the runs were planned"
        raise DataError(f"{msg} (its content hash was {planned}, now {opened}); run again")
    site.dataset.check_unchanged()


def _provenance(site: Site, run: PlannedRun, begin: datetime) -> dict[str, Any]:
    request = site.request
    method = next((each for each in request.methods if each.name == run.key.method), None)
    settings = None if method is None else fit_settings(request, method)
    return {
        "hashes": run.hashes,
        "facts": run.facts,
        "method": None if method is None else method_origin(method),
        "card": card_hash(site.task.card),
        "classes": list(site.task.card.classes),
        "settings": settings,
        "split": to_mapping(request.preset.split),
        "max_samples": request.preset.input.max_samples,
        "statistics": None if run.init is None else run.init.statistics,
        "versions": package_versions(),
        "git": git_state(),
        "hardware": hardware(site.device),
        "threads": thread_count(request.preset.compute),
        "workers": request.preset.compute.workers,
        "deterministic": {
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        },
        "started": begin.isoformat(timespec="seconds"),
    }


def _peak_memory(device: torch.device) -> dict[str, int]:
    """Highest resident size of this process so far and, on CUDA, of the run's tensors."""
    peak = resident_peak()
    found = {} if peak is None else {"process": peak}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.max_memory_allocated(device)
    return found


def _describe(error: BaseException) -> dict[str, str]:
    message = message_of(error)
    if isinstance(error, SystemExit):
        message = f"its code called sys.exit({show(error.code)})"
    return {
        "class": kind_of(error),
        "message": message,
        "traceback": traceback_of(error),
    }
