"""One planned run to one record; a plan to many."""

from __future__ import annotations

import dataclasses
import resource
import sys
import traceback
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from crossbench.cards import to_mapping
from crossbench.evaluation.metrics import evaluate
from crossbench.plan import card_hash, fit_settings, open_dataset
from crossbench.provenance import git_state, hardware, package_versions
from crossbench.results.diagnostics import write_diagnostics
from crossbench.results.store import Predictions
from crossbench.routes import produce
from crossbench.site import Site
from crossbench.specs import RunRecord
from crossbench.training.environment import arithmetic, thread_count

if TYPE_CHECKING:
    from crossbench.plan import Plan, PlannedRun
    from crossbench.results.store import Store
    from crossbench.routes import Product


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
    """Run what a plan has to do; each run leaves a record, failures included.

    Args:
        plan: What to run.
        store: Where records go.
        device: Where networks run.
        listener: Told of progress.
        fail_fast: Whether the first failure ends the plan.

    Returns:
        The records written, in order.
    """
    listener = listener or Silence()
    written: list[RunRecord] = []
    with arithmetic(plan.request.preset.compute):
        for task in plan.tasks:
            if not task.todo:
                continue
            dataset = open_dataset(plan.request, task.card)
            site = Site(request=plan.request, task=task, dataset=dataset, device=device)
            for run in task.todo:
                listener.started(run)
                record = _record(site, run, store, listener)
                listener.finished(run, record)
                written.append(record)
                if fail_fast and record.status == "failed":
                    return written
    return written


def _record(site: Site, run: PlannedRun, store: Store, listener: Listener) -> RunRecord:
    """One run, put on disk with all that goes with it."""
    record, predictions, product = _attempt(site, run, listener)
    if product is not None and product.diagnostics is not None:
        write_diagnostics(store.path_of(run.key, run.identity), product.diagnostics)
    fitted = None if product is None else product.fitted
    store.write(record, predictions, None if fitted is None else fitted.write)
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
        product = produce(site, run, lambda samples: listener.advanced(run, samples))
        predictions = Predictions(
            index=run.split.test,
            label=site.dataset.labels[run.split.test],
            probabilities=product.probabilities.astype(np.float32),
        )
        scores = evaluate(predictions.label, predictions.probabilities)
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
