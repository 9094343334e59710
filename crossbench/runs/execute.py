"""One planned run to one record."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import torch

from crossbench.environment.arithmetic import arithmetic, derive_seed, thread_count
from crossbench.environment.provenance import hardware, package_versions, resident_peak
from crossbench.environment.spans import collect, span
from crossbench.environment.state import own_randomness, unchanged
from crossbench.errors import DataError, RecordError
from crossbench.errors.foreign import kind_of, message_of, show, traceback_of
from crossbench.evaluation.probabilities import as_stored
from crossbench.files.checkout import git_state
from crossbench.files.hashing import hash_json
from crossbench.results.records.predictions import Predictions
from crossbench.specs import RunRecord, TaskCard
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.protocols.interface import Outcome
    from crossbench.results.records.store import Store
    from crossbench.runs.context import RunContext
    from crossbench.runs.plan import PlannedRun

#: What a record says before anything has come of its run.
_BEGUN = (
    *("identity", "key", "source", "dimension", "metric", "grouped"),
    *("counts", "warnings", "provenance"),
)


class Listener(Protocol):
    """Who wants to know how a plan gets on; every call may be ignored."""

    def started(self, run: PlannedRun) -> None:
        """A run begins."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """``samples`` more went through the network."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """The run's record is on disk."""

    def put_off(self, run: PlannedRun, why: str) -> None:
        """The run failed by the machine's fault, and is tried once more at the end, alone."""

    def moved(self, run: PlannedRun, why: str) -> None:
        """The machine of the run was lost, and another does it."""


class Silence:
    """A listener that ignores everything."""

    def started(self, run: PlannedRun) -> None:
        """Ignore."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Ignore."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Ignore."""

    def put_off(self, run: PlannedRun, why: str) -> None:
        """Ignore."""

    def moved(self, run: PlannedRun, why: str) -> None:
        """Ignore."""


def execute_run(context: RunContext, store: Store, listener: Listener) -> RunRecord:
    """One run in this process, put on disk with all that goes with it."""
    with arithmetic(context.preset.compute):
        record, predictions, outcome = _produce(context, listener)
    if predictions is None or outcome is None:
        return write_failure(store, record)
    fitted = outcome.fitted
    write_weights = None if fitted is None else fitted.write
    return write_success(
        store,
        record,
        lambda: store.write(record, predictions, write_weights, outcome.diagnostics),
    )


def write_success(store: Store, record: RunRecord, write: Callable[[], object]) -> RunRecord:
    """Put a run that succeeded on disk or, where there is no room for it, a failure.

    Args:
        store: Where records go.
        record: The run's record.
        write: Puts it there, with what lies beside it.

    Returns:
        The record, or that of the failure.

    Raises:
        RecordError: If the failure cannot be written either.
    """
    try:
        write()
    except RecordError as error:
        place = f"{store.root}/"  # of this machine alone
        described = {key: text.replace(place, "") for key, text in _describe(error).items()}
        begun = {name: getattr(record, name) for name in _BEGUN}
        return write_failure(store, RunRecord(status="failed", error=described, **begun))
    return record


def write_failure(store: Store, record: RunRecord) -> RunRecord:
    """Put a failure on disk, but not in the place of a run that had succeeded."""
    earlier = store.find(record.key, record.identity)
    if earlier is None or earlier.status != "ok":
        store.write(record, None)
    return record


def begin_record(context: RunContext) -> RunRecord:
    """The record of a run as long as nothing has come of it."""
    run, task = context.run, context.task
    return RunRecord(
        identity=run.identity,
        key=run.key,
        status="failed",
        source=task.source,
        dimension=task.card.dimension,
        metric=context.preset.metric or task.card.metric,
        grouped=run.split.grouped,
        counts={
            "train": len(run.split.train),
            "val": len(run.split.val),
            "test": len(run.split.test),
        },
        warnings=run.warnings,
        provenance=_provenance(context, datetime.now(UTC)),
    )


def _produce(
    context: RunContext, listener: Listener
) -> tuple[RunRecord, Predictions | None, Outcome | None]:
    """One run, whose failure is a record too."""
    base = begin_record(context)
    try:
        with collect() as seconds, span("total"):
            outcome, predictions = _predict(context, listener)
            scores = predictions.scores(context.task.card.classes)
            context.dataset.check_unchanged()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  (whatever it was, the other runs go on)
        return dataclasses.replace(base, error=_describe(error)), None, None
    for phase, shared in outcome.seconds.items():
        seconds[phase] = seconds.get(phase, 0.0) + shared
    record = dataclasses.replace(
        base,
        status="ok",
        metrics=scores.metrics,
        undefined=scores.undefined,
        partial=scores.partial,
        per_class=scores.per_class,
        peak_memory=_peak_memory(context.device),
        warnings=base.warnings + outcome.warnings,
        provenance=base.provenance | outcome.provenance,
        timings=seconds,
        **outcome.record,
    )
    return record, predictions, outcome


def _predict(context: RunContext, listener: Listener) -> tuple[Outcome, Predictions]:
    """Have the protocol do the run on the data that was planned on, and nothing else changed."""
    run = context.run
    _check_data(context)
    with unchanged(), own_randomness(derive_seed("global", run.identity)):
        outcome = run.protocol.run(context, lambda samples: listener.advanced(run, samples))
    predictions = Predictions(
        index=run.split.test,
        label=context.dataset.labels[run.split.test],
        log_probabilities=as_stored(outcome.log_probabilities),
    )
    return outcome, predictions


def _check_data(context: RunContext) -> None:
    """Refuse samples that are not those that the run was planned on."""
    planned, opened = context.run.hashes["data"], context.dataset.content_hash
    if opened != planned:
        msg = f"{context.dataset.file} is not what it was when the runs were planned"
        raise DataError(f"{msg} (its content hash was {planned}, now {opened}); run again")
    context.dataset.check_unchanged()


def _provenance(context: RunContext, begin: datetime) -> dict[str, Any]:
    run, card, preset = context.run, context.task.card, context.preset
    return {
        "hashes": run.hashes,
        **({"data": context.task.origin} if context.task.origin else {}),
        "facts": run.facts,
        "method": context.origin,
        "card": card_hash(card),
        "classes": list(card.classes),
        "settings": run.settings,
        "split": to_mapping(preset.split),
        "max_samples": preset.input.max_samples,
        "statistics": None if run.init is None else run.init.statistics,
        "versions": package_versions(),
        "git": git_state(),
        "hardware": hardware(context.device),
        "threads": thread_count(preset.compute),
        "workers": preset.compute.workers,
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


def card_hash(card: TaskCard) -> str:
    """Hash of a whole card, for the record."""
    return hash_json(to_mapping(card))
