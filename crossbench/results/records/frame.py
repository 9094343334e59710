"""Records as a table: one row a run."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.metrics import METRICS
from crossbench.results.records.data_origin import import_version, origin_in_words
from crossbench.results.records.identity import NOT_SPLIT, table_of
from crossbench.specs import RANDOM

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from crossbench.specs import RunRecord

#: Parts of a run's identity, of which the frame shows the first eight hex digits each.
HASHES = ("method", "init", "weights", "config", "task", "data", "split")

# Settings that two runs of one table may differ in: the frame has them elsewhere, or they
# choose which runs there are and not what they are.
_NOT_SHARED = ("drop_keys", "backbone", "protocol.name", "protocol.title")


def to_frame(found: Iterable[tuple[Path, RunRecord]]) -> pd.DataFrame:
    """Records as a DataFrame with one row each, in the order given.

    Columns: the run (``preset task method backbone init protocol seed fold``), what it is
    (``status source kind dimension edition fitted_on metric grouped``, the kind empty where
    unknown, ``fitted_on`` the task whose samples fitted the network where it is another, and
    ``classes``, how many its task has),
    its results (``score``, the value of the main metric, and every metric of
    :data:`~crossbench.evaluation.metrics.METRICS` by name; ``partial``, a JSON object of those that
    are means over fewer classes than there are, and why), its cost (``parameters_* cost_* seconds_*
    bytes_*``, and ``ms_per_sample`` of testing), sample counts (``samples_*``), what the validation
    part selected (``selected_*``), what went wrong (``warnings error_class error_message``), and
    where it came from (``hash_*``, of an import ``data_version data_origin``, ``split_settings
    fit_settings version started hardware sealed diagnostics identity path``). A value that is not
    there is NaN in a column of numbers and empty in a column of text; ``grouped`` is None where
    unknown.

    ``split_settings`` and ``fit_settings`` are JSON objects of dotted keys. Only runs with
    equal ones may be pooled; plain baselines have no ``fit_settings``.
    """
    return pd.DataFrame([_row(path, record) for path, record in found])


def _row(path: Path, record: RunRecord) -> dict[str, Any]:
    error = record.error or {}
    row: dict[str, Any] = {
        **dataclasses.asdict(record.key),
        "init": _init(record),
        "status": record.status,
        "source": record.source,
        "kind": str(_task(record).get("kind", "")),
        "dimension": record.dimension,
        "edition": str(_task(record).get("edition", "")),
        "fitted_on": str(table_of(_task(record), "fitted_on").get("name", "")),
        "classes": _classes(record),
        "metric": record.metric,
        "grouped": record.grouped,
        "score": _number(record.metrics.get(record.metric)),
    }
    for name in [*METRICS, *record.metrics, record.metric]:
        row.setdefault(name, _number(record.metrics.get(name)))
    return row | {
        "partial": json.dumps(record.partial) if record.partial else "",
        **_prefixed("parameters", record.parameters),
        **_prefixed("cost", record.cost),
        "ms_per_sample": _ms_per_sample(record),
        **_prefixed("seconds", record.timings),
        **_prefixed("bytes", record.peak_memory),
        **_prefixed("samples", record.counts),
        **_prefixed("selected", record.selected),
        "warnings": "\n".join(record.warnings),
        "error_class": error.get("class", ""),
        "error_message": error.get("message", ""),
        **_origin(record),
        "sealed": record.sealed,
        "diagnostics": record.diagnostics or "",
        "identity": record.identity,
        "path": str(path),
    }


def _task(record: RunRecord) -> dict[str, Any]:
    """What the record says of its task."""
    return table_of(table_of(record.provenance, "facts"), "task")


def _classes(record: RunRecord) -> float:
    """Number of the task's classes: as stated, else from the metrics of each."""
    stated = _task(record).get("classes")
    return _number(stated or max(map(len, record.per_class.values()), default=None))


def _init(record: RunRecord) -> str:
    """Name of the weights: ``random`` where their hash says so."""
    name = record.key.init
    found = table_of(record.provenance, "hashes").get("init", name)
    if found == RANDOM:
        return RANDOM
    return f"{name} (file)" if name == RANDOM else name


def _origin(record: RunRecord) -> dict[str, str]:
    """The part of the provenance that says which runs may be pooled."""
    provenance = record.provenance
    hashes = table_of(provenance, "hashes")
    split = {
        f"split.{key}": value
        for key, value in table_of(provenance, "split").items()
        if key not in NOT_SPLIT and value is not None  # a limit that is not set
    }
    split |= {
        "input.max_samples": provenance.get("max_samples"),
        "crossbench": hashes.get("harness"),
    }
    fit = flat(table_of(provenance, "settings"))
    for key in _NOT_SHARED:
        fit.pop(key, None)
    return {
        **{f"hash_{name}": str(hashes.get(name, ""))[:8] for name in HASHES},
        "data_version": import_version(record),
        "data_origin": origin_in_words(provenance),
        "split_settings": json.dumps(split, sort_keys=True),
        "fit_settings": json.dumps(fit, sort_keys=True),
        "version": str(hashes.get("harness", "")),
        "started": str(provenance.get("started", "")),
        "hardware": _hardware(provenance),
    }


def _hardware(provenance: Mapping[str, Any]) -> str:
    """The machine in words, as far as times depend on it; empty where it is not known."""
    found = table_of(provenance, "hardware")
    if not found:
        return ""
    if "gpu" in found:
        return f"{found['gpu']}, CUDA {found.get('cuda')}, driver {found.get('driver')}"
    used, cores = provenance.get("threads"), found.get("cores")
    return f"{found.get('processor')}, {used} of {cores} cores, {found.get('system')}"


def flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested mapping with dotted keys; empty tables vanish, arrays are kept."""
    flattened: dict[str, Any] = {}
    for key, value in mapping.items():
        if isinstance(value, dict):
            flattened |= flat(value, f"{prefix}{key}.")
        else:
            flattened[prefix + key] = value
    return flattened


def _prefixed(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
    return {f"{prefix}_{name}": value for name, value in values.items()}


def _ms_per_sample(record: RunRecord) -> float:
    """Milliseconds that testing took a sample; NaN where no network was tested."""
    seconds, samples = record.timings.get("test"), record.counts.get("test")
    return 1000 * seconds / samples if seconds is not None and samples else float("nan")


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
