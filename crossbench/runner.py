"""One planned run to one record; a plan to many.

Processes that execute the same plan into one folder share its runs.
"""

from __future__ import annotations

import dataclasses
import resource
import sys
import traceback
from collections import defaultdict
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import torch

from crossbench.cards import to_mapping
from crossbench.claims import Claims
from crossbench.errors import DataError
from crossbench.evaluation.probabilities import as_stored
from crossbench.plan import card_hash, feature_source, fit_settings, is_finished, open_dataset
from crossbench.provenance import git_state, hardware, package_versions
from crossbench.results.store import Predictions
from crossbench.routes import produce
from crossbench.site import Site
from crossbench.specs import RunRecord
from crossbench.training.environment import arithmetic, thread_count
from crossbench.training.protocols import LinearProbe

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from crossbench.plan import Plan, PlannedRun, TaskPlan
    from crossbench.results.store import Store
    from crossbench.routes import Product

    Item: TypeAlias = tuple[Plan, TaskPlan, PlannedRun]


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
    for plan, task, run in Claims(store.root).each(_groups(plans), _identity, wait=wait):
        record = _by_another(plan, run, store)
        if record is None:
            if site is None or site.request is not plan.request or site.task is not task:
                dataset = open_dataset(plan.request, task.card)
                site = Site(request=plan.request, task=task, dataset=dataset, device=device)
            listener.started(run)
            with arithmetic(plan.request.preset.compute):
                record = _record(site, run, store, listener)
        listener.finished(run, record)
        written.append(record)
        if fail_fast and record.status == "failed":
            return written
    return written


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


def _record(site: Site, run: PlannedRun, store: Store, listener: Listener) -> RunRecord:
    """One run, put on disk with all that goes with it."""
    record, predictions, product = _attempt(site, run, listener)
    fitted = None if product is None else product.fitted
    diagnostics = None if product is None else product.diagnostics
    store.write(record, predictions, None if fitted is None else fitted.write, diagnostics)
    return record


def _attempt(
    site: Site, run: PlannedRun, listener: Listener
) -> tuple[RunRecord, Predictions | None, Product | None]:
    """One run, whose failure is a record too."""
    begin = datetime.now(UTC)
    base = RunRecord(
        identity=run.identity,
        key=run.key,
        status="failed",
        source=site.dataset.source,
        dimension=site.task.card.dimension,
        metric=site.request.preset.metric or site.task.card.metric,
        grouped=run.split.grouped,
        counts={
            "train": len(run.split.train),
            "val": len(run.split.val),
            "test": len(run.split.test),
        },
        warnings=run.split.warnings,
        provenance=_provenance(site, run, begin),
    )
    clock = perf_counter()
    try:
        _check_data(site, run)
        product = produce(site, run, lambda samples: listener.advanced(run, samples))
        predictions = Predictions(
            index=run.split.test,
            label=site.dataset.labels[run.split.test],
            log_probabilities=as_stored(product.log_probabilities),
        )
        scores = predictions.scores(site.task.card.classes)
        site.dataset.check_unchanged()
    except Exception as error:  # noqa: BLE001  (whatever it was, the other runs go on)
        return dataclasses.replace(base, error=_describe(error)), None, None
    timings = product.record.get("timings", {}) | {"total": perf_counter() - clock}
    record = dataclasses.replace(
        base,
        status="ok",
        metrics=scores.metrics,
        undefined=scores.undefined,
        per_class=scores.per_class,
        peak_memory=_peak_memory(site.device),
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
        "hashes": run.hashes | {"card": card_hash(site.task.card)},
        "classes": list(site.task.card.classes),
        "settings": settings,
        "split": to_mapping(request.preset.split),
        "max_samples": request.preset.input.max_samples,
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
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"process": kibibytes * (1 if sys.platform == "darwin" else 1024)}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.max_memory_allocated(device)
    return found


def _describe(error: Exception) -> dict[str, str]:
    return {
        "class": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)[-3:]),
    }
