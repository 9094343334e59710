"""Bench records: what ``crossbench bench`` measured, one JSON file a case.

A record holds what was measured and nothing derived from it: the seconds of every repeat, bytes,
counts. Medians, ratios and tables are made in :mod:`crossbench.results.boards.benches`. The files
are::

    <root>/bench/<kind>/<case>-<workload>-<device>-<dtype>-<identity[:8]>.bench.json

Measuring the same again on the same machine replaces the file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from crossbench.results.records.folders import BENCH_ENDING, file_name
from crossbench.results.records.kinds import RecordKind

BENCH_SCHEMA_VERSION = 1

Kind = Literal["ops", "models", "harness"]
Workload = Literal["forward", "train-step", "run"]
Outcome = Literal["ok", "out-of-memory", "killed", "failed"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """Cost of one method; running out of memory is a result.

    Attributes:
        method: A registered method or plugin, or the record's baseline.
        status: ``ok``; ``out-of-memory`` where an allocation was refused; ``killed`` where the
            process was ended from outside, as systems do when memory is short; ``failed``.
        seconds: Of one call, for each repeat. Repeats of equal index belong together: the
            methods took turns.
        peak_memory: Bytes beyond what was held before the first call.
        multiply_adds: Of one call, by torch's flop counter.
        parameters: Number of learnable values.
        phases: ``harness`` only: seconds by phase, the mean over the repeats.
        error: ``class`` and ``message`` of what went wrong.
    """

    method: str
    status: Outcome
    seconds: tuple[float, ...] = ()
    peak_memory: int | None = None
    multiply_adds: int | None = None
    parameters: int | None = None
    phases: dict[str, float] = field(default_factory=dict)
    error: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class BenchRecord:
    """One case, measured for several methods in turn.

    Attributes:
        kind: ``ops`` (one layer), ``models`` (one network) or ``harness`` (a whole run).
        workload: ``forward``, ``train-step`` (forward and backward) or ``run``.
        case: Name of the case.
        dimension: Spatial axes of a sample.
        shape: Of the input that was asked for, batch first.
        batch: Samples a call, fewer than asked for where they did not fit into memory.
        settings: What else makes the case: a layer's geometry, a network's name, a preset.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        dtype: ``float32``, ``tf32`` or ``bfloat16`` (under autocast).
        threads: CPU threads.
        baseline: The method that ratios refer to; empty where there is none.
        measurements: One a method.
        peak_flops: Operations a second of a matrix product on this machine, in this dtype.
        provenance: Hardware, versions, commit, load and time.
        schema_version: Version of this layout; readers refuse others.
    """

    kind: Kind
    workload: Workload
    case: str
    dimension: int
    shape: tuple[int, ...]
    batch: int
    settings: dict[str, Any]
    device: str
    dtype: str
    threads: int
    baseline: str
    measurements: tuple[Measurement, ...]
    peak_flops: float | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    schema_version: int = BENCH_SCHEMA_VERSION


BENCHES = RecordKind("bench record", BENCH_ENDING, BenchRecord, BENCH_SCHEMA_VERSION)
read_benches = BENCHES.find


def bench_path(root: Path, record: BenchRecord) -> Path:
    """Path of a record, always below the root."""
    origin = {key: record.provenance.get(key) for key in ("hardware", "versions")}
    methods = [measurement.method for measurement in record.measurements]
    parts = (record.kind, record.workload, record.case, record.shape, record.settings)
    what = [*parts, record.device, record.dtype, record.threads, methods, origin]
    words = [record.case, record.workload, record.device, record.dtype, digest(what)]
    name = "-".join(file_name(word) for word in words) + BENCH_ENDING
    return Path(root) / "bench" / record.kind / name


def write_bench(root: Path, record: BenchRecord) -> Path:
    """Write a record atomically, replacing an earlier one of the same case.

    Raises:
        RecordError: If the record holds NaN or what JSON has no form for, or the folder cannot
            be written.
    """
    path = bench_path(root, record)
    BENCHES.write(path, record)
    return path


def digest(value: Any) -> str:
    """First eight hex digits of the SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:8]
