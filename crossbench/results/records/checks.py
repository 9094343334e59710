"""Consistency checks of a record with itself, made whenever it is read.

An identity is the hash of its parts, and settings, split, counts, source and seed are parts of it
or facts behind them; whoever edits one of them would have to find another identity. What only
the predictions can tell, :mod:`crossbench.results.records.validation` computes again.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from crossbench.errors import RecordError
from crossbench.evaluation.metrics import METRICS
from crossbench.results.records.identity import NOT_SPLIT, PARTS, identity_of, seed_part, table_of
from crossbench.specs.method_names import LONGEST_NAME, is_method_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossbench.results.records.identity import ProvenanceHashes
    from crossbench.specs import RunRecord

#: Columns of :func:`~crossbench.results.records.frame.to_frame` beside metrics; no metric may have
#: such a name, or one that begins as those of :data:`PREFIXES` do.
COLUMNS = frozenset(
    (
        *("preset", "task", "method", "backbone", "init", "protocol", "seed", "fold"),
        *("status", "source", "kind", "dimension", "edition", "fitted_on", "classes", "metric"),
        *("grouped", "score", "ms_per_sample"),
        *("warnings", "error_class", "error_message", "split_settings", "fit_settings"),
        *("version", "started", "hardware", "sealed", "diagnostics", "partial", "identity", "path"),
        *("data_version", "data_origin"),
    )
)
PREFIXES = (
    "parameters_",
    "cost_",
    "seconds_",
    "bytes_",
    "samples_",
    "selected_",
    "hash_",
    "cache_",
)


def check_record(record: RunRecord, known: ProvenanceHashes) -> None:
    """Hold what a record says against what else it says.

    Raises:
        RecordError: At the first contradiction; the message is the fact alone.
    """
    hashes = table_of(record.provenance, "hashes")
    if not record.sealed:  # schema 1 kept the card's hash among them, which is no part
        hashes = {name: value for name, value in hashes.items() if name != "card"}
    for fault in itertools.chain(
        _identity(record, hashes, known),
        _facts(record, hashes, known) if record.sealed else (),  # schema 1 does not tell them
        _folds(record),
        _status(record),
        _metrics(record),
        _values(record),
    ):
        raise RecordError(fault)


def _identity(
    record: RunRecord, hashes: Mapping[str, str], known: ProvenanceHashes
) -> Iterator[str]:
    """Whether identity, key and settings agree with the identity's parts."""
    key, settings = record.key, record.provenance.get("settings")
    if record.identity != identity_of(hashes):
        yield "its identity is not the hash of its parts"
    yield from _differ("method", key.method, hashes.get("name"))
    if ":" in key.method and not is_method_name(key.method):
        yield f"its method {key.method[:LONGEST_NAME]!r} is no name with hyperparameters"
    yield from _differ("seed and fold", seed_part(key.seed, key.fold), hashes.get("seed"))
    if record.sealed:
        yield from _differ("source", record.source, hashes.get("source"))
    if key.plain:
        return
    if (key.init == "random") != (hashes.get("init") == "random"):
        yield f"its init {key.init!r} is not the one in its identity"
    if not isinstance(settings, dict) or known.settings != hashes.get("config"):
        yield "its settings are not those in its identity"
        return
    yield from _differ("backbone", key.backbone, settings.get("backbone"))
    yield from _differ("protocol", key.protocol, table_of(settings, "protocol").get("name"))


def _facts(record: RunRecord, hashes: Mapping[str, str], known: ProvenanceHashes) -> Iterator[str]:
    """Whether task, split and counts are those in the identity."""
    facts = table_of(record.provenance, "facts")
    for name in ("task", "split", *({"method"} & facts.keys())):  # a plain baseline has none
        if name not in facts or known.facts[name] != hashes.get(name):
            yield f"its facts of the {name} are not those in its identity"
    task, split = table_of(facts, "task"), table_of(facts, "split")
    yield from _differ("task", record.key.task, task.get("name"))
    yield from _differ("dimension", record.dimension, task.get("dimension"))
    yield from _differ("grouped", record.grouped, split.get("grouped"))
    for part in PARTS:
        found = record.counts.get(part)
        yield from _differ(f"count of {part} samples", found, table_of(split, part).get("samples"))
    yield from _differ(
        "max_samples", record.provenance.get("max_samples"), split.get("max_samples")
    )
    for name, value in table_of(record.provenance, "split").items():
        if name not in NOT_SPLIT:
            yield from _differ(f"split.{name}", value, split.get(name))


def _folds(record: RunRecord) -> Iterator[str]:
    key, split = record.key, table_of(record.provenance, "split")
    folds, seeds, chosen = (split.get(name) for name in ("folds", "seeds", "run_folds"))
    if key.seed < 0 or key.fold < 0:
        yield f"its seed {key.seed} or fold {key.fold} is negative"
    if isinstance(folds, int) and key.fold >= folds:
        yield f"its fold {key.fold} is none of the {folds} folds of its split"
    if isinstance(seeds, list) and key.seed not in seeds:
        yield f"its seed {key.seed} is none of its split's {seeds}"
    if isinstance(chosen, list) and chosen and key.fold not in chosen:
        yield f"its fold {key.fold} is none of those that were run, {chosen}"


def _status(record: RunRecord) -> Iterator[str]:
    """Whether what is there is what a run of this status leaves."""
    done = record.status == "ok"
    results = {
        "metrics": bool(record.metrics),
        "predictions": record.predictions is not None,
    }
    for name, there in results.items():
        if there != done:
            yield f"its status is {record.status!r} {'with' if there else 'without'} {name}"
    if done and record.error is not None:
        yield "its status is 'ok' with an error"
    if not done and not (record.error and record.error.keys() >= {"class", "message"}):
        yield f"its status is {record.status!r} without the class and message of an error"
    if not done and record.weights is not None:
        yield f"its status is {record.status!r} with weights"


def _metrics(record: RunRecord) -> Iterator[str]:
    for name in [*record.metrics, record.metric]:
        if name in COLUMNS or name.startswith(PREFIXES):
            yield f"its metric {name!r} has the name of another column"
    for name, value in record.metrics.items():
        known = METRICS.get(name)
        lowest, highest = (known.lowest, known.highest) if known else (-math.inf, math.inf)
        if value is not None and not lowest <= value <= highest:
            yield f"its {name} is {value:g}, outside [{lowest:g}, {highest:g}]"
        if value is None and name not in record.undefined:
            yield f"its {name} is undefined without a reason"


def _values(record: RunRecord) -> Iterator[str]:
    counted = ("counts", "parameters", "cost", "timings", "peak_memory")
    for field in counted:
        for name, value in getattr(record, field).items():
            if value < 0:
                yield f"its {field}.{name} is {value:g}, which is negative"
    epoch, epochs = record.selected_epoch, len(record.curve)
    if epoch is not None and not 1 <= epoch <= epochs:
        yield f"its selected_epoch is {epoch}, of {epochs} epochs"


def _differ(what: str, said: Any, known: Any) -> Iterator[str]:
    if said != known:
        yield f"its {what} is {said!r}, and {known!r} in its identity"
