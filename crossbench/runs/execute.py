"""One planned run to one record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import torch

from crossbench.environment.arithmetic import arithmetic, derive_seed, thread_count
from crossbench.environment.provenance import hardware, package_versions, resident_peak
from crossbench.environment.state import own_randomness, unchanged
from crossbench.errors import DataError
from crossbench.errors.foreign import kind_of, message_of, show, traceback_of
from crossbench.evaluation.probabilities import as_stored
from crossbench.files.checkout import git_state
from crossbench.registry.method_identity import method_origin
from crossbench.results.records.predictions import Predictions
from crossbench.runs.context import Site
from crossbench.runs.plan import Plan, PlannedRun, TaskPlan, card_hash, fit_settings, open_dataset
from crossbench.runs.routes import Product, produce
from crossbench.specs import RunRecord
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from crossbench.data.dataset import Dataset
    from crossbench.results.records.store import Store


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


def open_context(plan: Plan, task: TaskPlan, device: torch.device) -> Site:
    """What the runs on a task share; data that is gone since the plan fails each of them."""
    opened: Dataset | DataError
    try:
        opened = open_dataset(plan.request, task.card)
    except DataError as error:
        opened = error
    return Site(request=plan.request, task=task, opened=opened, device=device)


def execute_run(site: Site, run: PlannedRun, store: Store, listener: Listener) -> RunRecord:
    """One run in this process, put on disk with all that goes with it."""
    with arithmetic(site.request.preset.compute):
        record, predictions, product = _produce(site, run, listener)
    if predictions is None or product is None:
        return write_failure(store, record)
    fitted = product.fitted
    write_weights = None if fitted is None else fitted.write
    store.write(record, predictions, write_weights, product.diagnostics)
    return record


def write_failure(store: Store, record: RunRecord) -> RunRecord:
    """Put a failure on disk, but not in the place of a run that had succeeded."""
    earlier = store.find(record.key, record.identity)
    if earlier is None or earlier.status != "ok":
        store.write(record, None)
    return record


def begin_record(site: Site, run: PlannedRun) -> RunRecord:
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
    base = begin_record(site, run)
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
