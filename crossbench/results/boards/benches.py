"""Bench records as tables: medians, ratios to the baseline, published figures.

What the records hold is in :mod:`crossbench.results.records.benches`.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from crossbench.results.boards.published import table3
from crossbench.results.boards.table import NOTHING, Cell, Header, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd


_GROUP = ["kind", "workload", "dimension", "fingerprint", "torch", "dtype", "threads"]
_CASE = ["case", "shape", "settings", "batch"]
_TITLES = {
    "ops": "Runtime of one layer",
    "models": "Throughput of one network",
    "harness": "Whole runs by phase",
}
_LOST = {"out-of-memory": "out of memory", "killed": "killed", "failed": "failed"}

_BUSY = "MEASURED ON A BUSY MACHINE: trust the ratios at most"

# The layer that the paper's Table III times.
_TABLE3 = {"outputs": 512, "kernel": 3, "stride": 1, "padding": 1, "dilation": 1, "groups": 1}


def bench_tables(frame: pd.DataFrame) -> list[Table]:
    """Tables of bench records by machine, workload, precision and thread count.

    Of the same case, batch and method, the latest measurement stands. The layers of the paper's
    Table III have a table of their own, in which its milliseconds stand beside ours as reported;
    they are of another machine, so no ratio is taken between the two.
    """
    if frame.empty:
        return []
    latest = latest_of(frame)
    latest = latest.assign(published=latest.apply(_is_published, axis=1))
    tables: list[Table] = []
    for _, group in latest.groupby([*_GROUP, "published"], sort=False):
        if group["kind"].iloc[0] == "harness":
            tables.append(_phases(group))
        else:
            tables += [_runtimes(group), _costs(group)]
    return tables


def latest_of(frame: pd.DataFrame) -> pd.DataFrame:
    """The latest measurement of each case, batch and method on each machine."""
    frame = frame.sort_values("started", kind="stable")
    return frame.drop_duplicates([*_GROUP, *_CASE, "method"], keep="last")


def _runtimes(group: pd.DataFrame) -> Table:
    """Cases by methods, as in Table III, then the paper's reported figures."""
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
    return NOTHING if math.isnan(value) else Cell(text=text, value=value, detail=detail)


def _bytes(count: float) -> str:
    return f"{count / 2**20:.3g} MiB" if count < 2**30 else f"{count / 2**30:.3g} GiB"


def _is_published(row: Any) -> bool:
    """Whether a case is a layer of the paper's Table III, whatever is done with it."""
    settings = json.loads(row["settings"])
    return settings == settings | _TABLE3 and row["shape"] in set(table3()["shape"])


def _reported(group: pd.DataFrame) -> dict[Header, dict[Header, Cell]]:
    """The paper's milliseconds of a forward pass, for its own cases."""
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
    threads = f"{first['threads']} thread{'s' * int(first['threads'] > 1)}"
    parts = [title, first["workload"], first["machine"], first["dtype"], threads]
    if first["kind"] == "models":
        parts.insert(1, f"{first['dimension']}D")
    return Table.of_columns(
        columns,
        title=" · ".join(parts),
        subtitle=f"{what} (machine {first['fingerprint']}, torch {first['torch']})",
        caution=_BUSY if group["busy"].any() else "",
        axes=axes,
        notes=tuple(notes),
    )
