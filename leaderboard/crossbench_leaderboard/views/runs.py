"""Every record: how it went, where it came from, and what went wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import streamlit as st

from crossbench.results.boards.contents import with_data
from crossbench.results.figures import marks
from crossbench.results.records.frame import flat
from crossbench.results.records.reproduce import left_to_add, run_command
from crossbench.results.records.store import read_record
from crossbench.specs.reader import to_mapping
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import chips, pick
from crossbench_leaderboard.display import show_frame
from crossbench_leaderboard.state import command, out_folder, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.records.store import Broken
    from crossbench.specs import RunRecord
    from crossbench_leaderboard.state import Results

_FILTERS = {
    "status": ("Status", "statuses"),
    "method": ("Method", "methods"),
    "task": ("Task", "tasks"),
    "source": ("Data source", "source"),
}
_STATUS = {"ok": marks.PALETTE[0], "failed": marks.PALETTE[1]}
_LINES = {"train_loss": "training", "val_loss": "validation", "val_accuracy": "validation"}
_SAMPLES = ("training", "validation")
_SHARING = ("linear-probe",)
_COLUMNS = {
    "status": "Status",
    "task": "Task",
    "data": "Data",
    "method": "Method",
    "preset": "Preset",
    "protocol": "Protocol",
    "init": "Init",
    "seed": "Seed",
    "fold": "Fold",
    "metric": "Main metric",
    "score": "Score",
    "seconds_total": "Seconds",
    "error_message": "Failure",
    "warnings": "Warnings",
    "started": "Started",
    "sealed": "Sealed",
    "path": "File",
}


def show(results: Results) -> None:
    """Draw the view."""
    st.title("Runs")
    st.write("Every record, those that failed and files that are no valid record included.")
    _show_broken(results.broken)
    if results.frame.empty:
        st.info("There is no valid record.")
        return
    runs = _filtered(with_data(results.frame))
    table = _telling(runs[[name for name in _COLUMNS if name in runs]]).rename(columns=_COLUMNS)
    formats = {
        "Score": st.column_config.NumberColumn(format="%.3f"),
        "Seconds": st.column_config.NumberColumn(format="%.1f"),
    }
    st.caption(f"{len(runs)} of {len(results.frame)} records")
    if len(runs):
        _show_counts(runs)
    show_frame(table, "runs", title="Runs", formats=formats, height=320)
    if runs["protocol"].isin(_SHARING).any():
        st.caption(
            "Linear probes of one frozen network share its features: the run that extracts them "
            "first has their seconds, the others only those of the classifier."
        )
    if runs.empty:
        return
    record = _show_record(runs, out_folder(results))
    _show_difference(runs, record)


def _show_counts(runs: pd.DataFrame) -> None:
    """A bar a task, cut into what became of its runs."""
    counts = runs.groupby(["task", "status"]).size().rename("runs").reset_index()
    tasks, found = sorted(counts["task"].unique()), [*_STATUS]
    found += sorted(set(counts["status"]) - set(found))
    scale = alt.Scale(domain=found, range=[_STATUS.get(each, marks.GREY) for each in found])
    shown = [each for each in found if each in set(counts["status"])]
    chart = (
        alt.Chart(counts)
        .mark_bar()
        .encode(
            x=alt.X("runs:Q", axis=charts.few("runs", tickMinStep=1)),
            y=charts.names_axis("task", tasks),
            color=alt.Color("status:N", scale=scale, legend=marks.legend(shown)),
            order=alt.Order("status:N", sort="descending"),
            tooltip=["task:N", "status:N", "runs:Q"],
        )
        .properties(height=marks.rows_height(len(tasks)))
    )
    charts.show(chart, "runs-by-task", title="Runs by task and status", data=counts)


def _telling(table: pd.DataFrame) -> pd.DataFrame:
    """The columns with content in some row, for narrow screens."""
    silent = table.isna() | table.isin([""])
    return table.loc[:, ~silent.all()]


def _show_broken(broken: Sequence[Broken]) -> None:
    if not broken:
        return
    st.error(f"Files that are no valid records, and count nowhere: {len(broken)}")
    rows = [{"File": str(path), "Why": reason} for path, reason in broken]
    st.dataframe(pd.DataFrame(rows), hide_index=True)


def _filtered(frame: pd.DataFrame) -> pd.DataFrame:
    runs = frame
    with st.popover("Filters", icon=":material/filter_list:"):
        for column, (label, key) in _FILTERS.items():
            if chosen := chips(label, sorted(frame[column].unique()), key):
                runs = runs[runs[column].isin(chosen)]
    return runs


# ------------------------------------------------------------------------- one record


def _pick(runs: pd.DataFrame, label: str, key: str, first: int = 0) -> RunRecord:
    """Choose a run, failed ones first."""
    ordered = runs.sort_values(["status", "task", "method", "seed", "fold"], kind="stable")
    paths = {
        f"{method} · {task} · seed {seed} · fold {fold} · {status} · {identity[:8]}": path
        for path, method, task, seed, fold, status, identity in ordered[
            ["path", "method", "task", "seed", "fold", "status", "identity"]
        ].itertuples(index=False)
    }
    first = min(first, len(paths) - 1)
    return read_record(Path(paths[pick(label, list(paths), key, first=first)]))


def _show_record(runs: pd.DataFrame, out: Path) -> RunRecord:
    st.subheader("One run")
    record = _pick(runs, "Run", "run")
    if record.error is not None:
        st.error("This run failed.", icon=":material/error:")
        st.text(f"{record.error.get('class')}: {record.error.get('message')}")
    for warning in record.warnings:
        st.warning("A warning of this run:", icon=":material/warning:")
        st.text(warning)
    if record.curve:
        _show_curve(record)
    with st.expander("Everything that the record says, but its curve"):
        show_frame(_facts(record), "record", title="A record", height=280)
    command(run_command(record, str(out)))
    for sentence in left_to_add(record):
        st.caption(plain(sentence))
    return record


def _facts(record: RunRecord) -> pd.DataFrame:
    mapping = to_mapping(record)
    del mapping["curve"]
    return pd.DataFrame(
        {"Key": name, "Value": _text(value)} for name, value in flat(mapping).items()
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _show_curve(record: RunRecord) -> None:
    """Loss and accuracy by epoch, or by what else was tried in turn."""
    curve = pd.DataFrame(record.curve)
    along = "C" if "C" in curve else "epoch"
    if along not in curve:
        curve[along] = range(1, len(curve) + 1)
    left, right = st.columns(2)
    with left:
        chart = _curve_chart(curve, along, ["train_loss", "val_loss"], "loss", record)
        charts.show(chart, "loss", title=f"Loss by {along}", data=curve)
    with right:
        title = "validation accuracy"
        chart = _curve_chart(curve, along, ["val_accuracy"], title, record)
        charts.show(chart, "accuracy", title=f"Validation accuracy by {along}", data=curve)


def _curve_chart(
    curve: pd.DataFrame, along: str, columns: list[str], title: str, record: RunRecord
) -> Any:
    """Lines along the epochs, the one whose weights were tested marked."""
    found = [name for name in columns if name in curve]
    names = [_LINES[name] for name in found]
    named = curve[[along, *found]].rename(columns=_LINES)
    points = named.melt(along, names, var_name="name").dropna()
    scale = alt.Scale(type="log", nice=False) if along == "C" else alt.Scale(nice=False)
    steps: dict[str, Any] = {"tickMinStep": 1}
    if along == "C":  # what was tried, and nothing between
        steps = {"grid": False, "values": sorted(set(curve["C"])), "format": "~g"}
    lines = (
        alt.Chart(points)
        .mark_line(point=alt.OverlayMarkDef(size=45))
        .encode(
            x=alt.X(f"{along}:Q", scale=scale, axis=charts.few(along, **steps)),
            y=alt.Y("value:Q", axis=charts.few(title), scale=alt.Scale(zero=False)),
            color=charts.colour("name:N", _SAMPLES, names),
            shape=charts.shape("name:N", _SAMPLES, names),
            tooltip=[f"{along}:Q", "name:N", alt.Tooltip("value:Q", format=".4f")],
        )
    )
    tested = record.selected_epoch if along == "epoch" else record.selected.get("C")
    if tested is None:
        return lines.properties(height=260)
    rule = (
        alt.Chart(pd.DataFrame({along: [tested], "what": ["tested"]}))
        .mark_rule(strokeDash=[4, 4], color=marks.PALETTE[6])
        .encode(x=f"{along}:Q", tooltip=["what:N", f"{along}:Q"])
    )
    return (rule + lines).properties(height=260)


# --------------------------------------------------------------------- two records


def _show_difference(runs: pd.DataFrame, record: RunRecord) -> None:
    """Differences between the provenance of two records."""
    st.subheader("What differs from another run")
    other = _pick(runs, "Other run", "other", first=1)
    one, two = (flat(each.provenance) for each in (record, other))
    rows = [
        {"Key": name, "Run": _text(one.get(name)), "Other run": _text(two.get(name))}
        for name in sorted(one | two)
        if one.get(name) != two.get(name)
    ]
    if not rows:
        st.info("The provenance of the two does not differ.")
        return
    st.caption(f"{len(rows)} of {len(one | two)} entries of the provenance differ.")
    st.dataframe(pd.DataFrame(rows), hide_index=True)
