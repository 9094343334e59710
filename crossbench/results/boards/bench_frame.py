"""Bench records as a frame: medians, quartiles, and ratios to the baseline."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy  # scipy.stats is imported where it is used, for it takes a second

from crossbench.results.records.benches import BenchRecord, Measurement, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_CONFIDENCE = 0.95
_SLACK = 0.5  # cores; something always runs for a moment


def bench_frame(found: Iterable[tuple[Path, BenchRecord]]) -> pd.DataFrame:
    """Bench records as a DataFrame with one row for each case and method.

    Columns: the case (``kind workload case dimension shape batch_asked batch settings``), where
    it ran (``machine fingerprint device dtype threads torch crossbench load``), the method and
    how it went (``method baseline status error``), its time (``ms`` the median of a call,
    ``ms_q1 ms_q3`` its quartiles, ``repeats``, ``samples_per_second``), its time against the
    baseline's (``ratio`` the median over paired repeats, ``ratio_low ratio_high`` its 95 %
    interval), its cost (``peak_memory`` in bytes, ``gmacs`` a sample, ``parameters``,
    ``peak_share`` of what a matrix product reaches on the machine), ``phases`` (seconds by
    name), and ``started path``. A number that is not there is NaN. Without records there are no
    columns.
    """
    return pd.DataFrame(
        [
            _row(path, record, measurement)
            for path, record in found
            for measurement in record.measurements
        ]
    )


def _row(path: Path, record: BenchRecord, own: Measurement) -> dict[str, Any]:
    origin = record.provenance
    versions, hardware = origin.get("versions", {}), origin.get("hardware", {})
    return {
        "kind": record.kind,
        "workload": record.workload,
        "case": record.case,
        "dimension": record.dimension,
        "shape": record.shape,
        "batch_asked": record.shape[0],
        "batch": record.batch,
        "settings": json.dumps(record.settings, sort_keys=True),
        "machine": _machine(hardware),
        "fingerprint": digest(hardware),
        "device": record.device,
        "dtype": record.dtype,
        "threads": record.threads,
        "torch": versions.get("torch", ""),
        "crossbench": versions.get("crossbench", ""),
        "busy": _is_busy(record),
        "method": own.method,
        "baseline": record.baseline,
        "status": own.status,
        "error": (own.error or {}).get("message", ""),
        **_times(record, own),
        "peak_memory": _number(own.peak_memory),
        "gmacs": _number(own.multiply_adds) / record.batch / 1e9,
        "parameters": _number(own.parameters),
        "phases": own.phases,
        "started": str(origin.get("started", "")),
        "path": str(path),
    }


def _times(record: BenchRecord, own: Measurement) -> dict[str, float]:
    quartiles = np.quantile(own.seconds, [0.5, 0.25, 0.75]) if own.seconds else np.full(3, np.nan)
    median = float(quartiles[0])
    base = next((each for each in record.measurements if each.method == record.baseline), None)
    ratio, low, high = paired_ratio(own.seconds, base.seconds if base else ())
    operations = 2 * _number(own.multiply_adds)
    return {
        **dict(zip(("ms", "ms_q1", "ms_q3"), 1000 * quartiles, strict=True)),
        "repeats": len(own.seconds),
        "samples_per_second": record.batch / median,
        "ratio": ratio,
        "ratio_low": low,
        "ratio_high": high,
        "peak_share": operations / median / _number(record.peak_flops),
    }


def paired_ratio(seconds: Sequence[float], baseline: Sequence[float]) -> tuple[float, float, float]:
    """Median ratio of paired repeats, and an interval that assumes no distribution.

    The interval lies between two order statistics of the ratios whose ranks are binomial: it
    covers the median of the ratio's distribution with a probability of at least 95 %, if the
    pairs are independent. It takes six pairs; with fewer its ends are NaN.

    Args:
        seconds: (n,) of the method.
        baseline: (n,) of the baseline, in the same order.

    Returns:
        Ratio, lower and upper end; all NaN where there are no pairs.

    Source:
        David and Nagaraja, Order Statistics (2003), section 7.1.
    """
    if not seconds or len(seconds) != len(baseline):
        return math.nan, math.nan, math.nan
    ratios: NDArray[np.float64] = np.sort(np.divide(seconds, baseline))
    median = float(np.median(ratios))
    rank = int(scipy.stats.binom.ppf((1 - _CONFIDENCE) / 2, ratios.size, 0.5))
    if rank == 0:
        return median, math.nan, math.nan
    return median, float(ratios[rank - 1]), float(ratios[-rank])


def _is_busy(record: BenchRecord) -> bool:
    """Whether others left fewer cores than the measurement had threads."""
    cores = record.provenance.get("hardware", {}).get("cores", math.inf)
    others = _number(record.provenance.get("load"))
    return bool(record.device == "cpu" and others + record.threads > cores + _SLACK)


def _machine(hardware: dict[str, Any]) -> str:
    """The machine in words."""
    if "gpu" in hardware:
        return str(hardware["gpu"])
    return f"{hardware.get('processor', 'unknown processor')}, {hardware.get('cores', '?')} cores"


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
