"""Bench records as a frame and as tables: medians, ratios to the baseline, published figures.

What the records hold is in :mod:`crossbench.results.records.benches`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy  # scipy.stats is imported where it is used, for it takes a second

from crossbench.results.boards.published import table3
from crossbench.results.boards.table import Cell, Header, Table
from crossbench.results.records.benches import (
    BenchRecord,
    FoundBench,
    Measurement,
    digest,
    read_bench,
    read_benches,
    write_bench,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = [
    "BenchRecord",
    "FoundBench",
    "Measurement",
    "bench_frame",
    "bench_tables",
    "paired_ratio",
    "read_bench",
    "read_benches",
    "write_bench",
]

_CONFIDENCE = 0.95

_GROUP = ["kind", "workload", "dimension", "fingerprint", "torch", "dtype", "threads"]
_CASE = ["case", "shape", "settings", "batch"]
_TITLES = {
    "ops": "Runtime of one layer",
    "models": "Throughput of one network",
    "harness": "Whole runs by phase",
}
_LOST = {"out-of-memory": "out of memory", "killed": "killed", "failed": "failed"}

_SLACK = 0.5  # cores; something always runs for a moment

# The layer that the paper's Table III times.
_TABLE3 = {"outputs": 512, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1, "groups": 1}


# --------------------------------------------------------------------------- frame


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


# -------------------------------------------------------------------------- tables


def bench_tables(frame: pd.DataFrame) -> list[Table]:
    """Tables of bench records, once for each machine, workload, precision and number of threads.

    Of the same case, batch and method, the latest measurement stands. The layers of the paper's
    Table III have a table of their own, in which its milliseconds stand beside ours as reported;
    they are of another machine, so no ratio is taken between the two.

    Args:
        frame: As from :func:`bench_frame`; may be empty.
    """
    if frame.empty:
        return []
    frame = frame.sort_values("started", kind="stable")
    latest = frame.drop_duplicates([*_GROUP, *_CASE, "method"], keep="last")
    latest = latest.assign(published=latest.apply(_is_published, axis=1))
    tables: list[Table] = []
    for _, group in latest.groupby([*_GROUP, "published"], sort=False):
        if group["kind"].iloc[0] == "harness":
            tables.append(_phases(group))
        else:
            tables += [_runtimes(group), _costs(group)]
    return tables


def _runtimes(group: pd.DataFrame) -> Table:
    """Table III's layout: rows are cases, columns methods, then what the paper reports."""
    ops = group["kind"].iloc[0] == "ops"
    cell = _layer_time if ops else _throughput
    measured = _grid(group, cell)
    reported = _reported(group) if group["published"].all() else {}
    what = "Milliseconds a call" if ops else "Samples a second"
    baseline = group["baseline"].iloc[0]
    return _table(
        group,
        {**measured, **reported},
        title=_TITLES[group["kind"].iloc[0]],
        what=f"{what}, median of the repeats; IQR is their interquartile range",
        notes=[
            f"×: multiple of the time of {baseline}, median over paired repeats (95 % interval).",
            *_reported_notes(reported),
        ],
    )


def _costs(group: pd.DataFrame) -> Table:
    return _table(
        group,
        _grid(group, _cost),
        title="Memory and arithmetic",
        what="Peak memory beyond what was held before the first call",
        notes=[
            "GMAC: 1e9 multiply-adds a sample, of all that a call does.",
            "Of peak: of the operations a second that a matrix product reaches here.",
            "Work on padding is counted, though it may be skipped.",
        ],
    )


def _phases(group: pd.DataFrame) -> Table:
    """Rows are runs, columns the phases of a run."""
    names = list(dict.fromkeys(name for phases in group["phases"] for name in phases))
    columns: dict[Header, dict[Header, Cell]] = {}
    for _, row in group.iterrows():
        header = Header(f"{row['method']} on {row['case']}")
        cells = {
            Header("samples a second"): _throughput(row),
            Header("peak memory"): _figure(_bytes(row["peak_memory"]), row["peak_memory"]),
        }
        total = sum(row["phases"].values()) or math.nan
        for name in names:
            seconds = row["phases"].get(name, math.nan)
            cells[Header(name)] = _figure(f"{seconds:.2f} s", seconds, f"{seconds / total:.0%}")
        for column, cell in cells.items():
            columns.setdefault(column, {})[header] = cell
    what = "Seconds of one run, the mean of the repeats"
    return _table(group, columns, title=_TITLES["harness"], what=what, axes=("run", "phase"))


def _grid(group: pd.DataFrame, cell: Callable[[Any], Cell]) -> dict[Header, dict[Header, Cell]]:
    """Cells by method and case; the baseline first, then in the order of measuring."""
    methods = dict.fromkeys([group["baseline"].iloc[0], *group["method"]])
    return {
        Header(method): {_case(row): cell(row) for _, row in rows.iterrows()}
        for method in methods
        if len(rows := group[group["method"] == method])
    }


def _case(row: Any) -> Header:
    cut = f", batch cut to {row['batch']}" if row["batch"] < row["batch_asked"] else ""
    return Header(row["case"], "×".join(map(str, row["shape"])) + cut)


def _layer_time(row: Any) -> Cell:
    spread = f"IQR {row['ms_q3'] - row['ms_q1']:.2g}"
    return _timed(row, f"{row['ms']:.4g}", row["ms"], [spread])


def _throughput(row: Any) -> Cell:
    rate = row["samples_per_second"]
    return _timed(row, f"{rate:.4g}", rate, [])


def _timed(row: Any, text: str, value: float, details: list[str]) -> Cell:
    if row["status"] != "ok":
        return Cell(text=_LOST[row["status"]])
    if not math.isnan(row["ratio"]) and row["method"] != row["baseline"]:
        interval = f" ({row['ratio_low']:.2f}..{row['ratio_high']:.2f})"
        known = not math.isnan(row["ratio_low"])
        details = [*details, f"×{row['ratio']:.2f}{interval if known else ''}"]
    return Cell(text=text, detail=", ".join(details), value=value, count=int(row["repeats"]))


def _cost(row: Any) -> Cell:
    if row["status"] != "ok":
        return Cell(text=_LOST[row["status"]])
    details = {
        f"{row['gmacs']:.3g} GMAC": row["gmacs"],
        f"{row['peak_share']:.0%} of peak": row["peak_share"],
        f"{row['parameters'] / 1e6:.3g} M parameters": row["parameters"],
    }
    known = [text for text, value in details.items() if not math.isnan(value)]
    return _figure(_bytes(row["peak_memory"]), row["peak_memory"], ", ".join(known))


def _figure(text: str, value: float, detail: str = "") -> Cell:
    return Cell(text="–") if math.isnan(value) else Cell(text=text, value=value, detail=detail)


def _bytes(count: float) -> str:
    return f"{count / 2**20:.3g} MiB" if count < 2**30 else f"{count / 2**30:.3g} GiB"


def _is_published(row: Any) -> bool:
    """Whether a case is a layer of the paper's Table III, whatever is done with it."""
    settings = json.loads(row["settings"])
    return settings == settings | _TABLE3 and row["shape"] in set(table3()["shape"])


def _reported(group: pd.DataFrame) -> dict[Header, dict[Header, Cell]]:
    """The paper's milliseconds of a forward pass, for those cases that are the paper's."""
    published = table3()
    columns: dict[Header, dict[Header, Cell]] = {}
    for _, row in group[group["workload"] == "forward"].iterrows():
        same = [shape == row["shape"] for shape in published["shape"]]
        for _, other in published[same].iterrows():
            column = Header(other["method"], "reported", aside=True)
            columns.setdefault(column, {})[_case(row)] = Cell(
                text=f"{other['ms']:.4g}", value=other["ms"]
            )
    return columns


def _reported_notes(reported: Mapping[Header, Any]) -> list[str]:
    if not reported:
        return []
    source, device = table3()[["source", "device"]].iloc[0]
    return [f"Reported: {source}, on {device}, at the full batch; not comparable with ours."]


def _table(
    group: pd.DataFrame,
    columns: Mapping[Header, Mapping[Header, Cell]],
    *,
    title: str,
    what: str,
    notes: Sequence[str] = (),
    axes: tuple[str, str] = ("case", "method"),
) -> Table:
    """Columns of cells as a table whose rows are the cases."""
    first = group.iloc[0]
    rows = list(dict.fromkeys(row for cells in columns.values() for row in cells))
    where = [first["machine"], f"machine {first['fingerprint']}", f"torch {first['torch']}"]
    threads = f"{first['threads']} thread{'s' * int(first['threads'] > 1)}"
    parts = [title, first["workload"], *where[:1], first["dtype"], threads]
    if first["kind"] == "models":
        parts.insert(1, f"{first['dimension']}D")
    busy = group["busy"].any()
    return Table(
        title=" · ".join(parts),
        subtitle=f"{what} ({', '.join(where[1:])})",
        caution="MEASURED ON A BUSY MACHINE: trust the ratios at most" if busy else "",
        axes=axes,
        rows=tuple(rows),
        columns=tuple(columns),
        cells=tuple(
            tuple(cells.get(row, Cell(text="–")) for cells in columns.values()) for row in rows
        ),
        notes=tuple(notes),
    )
