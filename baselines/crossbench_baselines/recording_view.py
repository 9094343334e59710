"""Dashboard page on what of a recording a method's decisions rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import streamlit as st

from crossbench_baselines.attributions import (
    VIEWS,
    attributed,
    completeness_frame,
    deviation,
    edge_frame,
    region_frame,
    sanity_frame,
    shares,
)
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import pick
from crossbench_leaderboard.display import show_frame
from crossbench_leaderboard.observed import advise, observed, show_command

if TYPE_CHECKING:
    from crossbench_baselines.attributions import Arrays
    from crossbench_leaderboard.observed import Observed
    from crossbench_leaderboard.state import Results

_EXPLANATION = (
    "Integrated gradients share out a decision (the predicted class's logit less the mean of the "
    "others') among the edges and regions of its recording: what each adds on the way from a "
    "reference without connectivity and with flat time series. Means over folds and seeds."
)
_MATRIX = 100  # regions whose edges are drawn, at most
_RANKED = 15  # regions
_SIDE = 300  # pixels of the matrix, which a narrow screen has
_MARGIN = 60  # pixels of its labels
_GAP = 14  # pixels between names of bars
_DIVERGING = (charts.PALETTE[1], "#F7F7F7", charts.PALETTE[0])


def show(results: Results) -> None:
    """Draw the view."""
    st.title("What decides")
    st.write(_EXPLANATION)
    cells = _cells(observed(results))
    if not cells:
        advise(results, "No run here has attributions", method="fc-cnn", preset="fusion")
        return
    _shares(cells)
    name = pick("Method and task", list(cells), "attributed")
    runs = [arrays for _, arrays in cells[name]]
    if "edges" in runs[0]:
        _matrix(runs)
    _regions(runs)
    _checks(runs)
    show_command(cells[name][0][0].record)


def _cells(runs: list[Observed]) -> dict[str, list[tuple[Observed, Arrays]]]:
    """Runs with attributions by what they are runs of, in words."""
    cells: dict[str, list[tuple[Observed, Arrays]]] = {}
    for run in runs:
        arrays, key = attributed(run.diagnostics), run.record.key
        if arrays is not None:
            words = f"{key.method} on {key.task} · {run.record.source} data, {key.preset}"
            cells.setdefault(f"{words}, init {key.init}", []).append((run, arrays))
    return cells


def _shares(cells: dict[str, list[tuple[Observed, Arrays]]]) -> None:
    st.subheader("Shares of the views")
    named = _short(list(cells))
    labels = list(named.values())
    rows = [(named[name], arrays) for name, runs in cells.items() for _, arrays in runs]
    frame = pd.DataFrame([{"cell": label, **shares(arrays)} for label, arrays in rows])
    means = frame.groupby("cell", sort=False).mean().reset_index()
    long = means.melt("cell", var_name="view", value_name="share")
    names = list(VIEWS.values())
    chart = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            y=alt.Y("cell:N", sort=labels, title=None, axis=charts.whole_names(labels)),
            x=alt.X("share:Q", scale=alt.Scale(domain=[0, 1]), axis=charts.few("share")),
            color=charts.colour("view:N", names),
            tooltip=["cell:N", "view:N", alt.Tooltip("share:Q", format=".3f")],
        )
        .properties(height=(charts.whole_height(labels) + _GAP) * len(labels))
    )
    charts.show(chart, "view-shares", title="Shares of the views by task", data=long)


def _short(names: list[str]) -> dict[str, str]:
    """Names without what follows their dot, where they differ before it."""
    short = {name: name.partition(" · ")[0] for name in names}
    return short if len(set(short.values())) == len(names) else dict(zip(names, names, strict=True))


def _matrix(runs: list[Arrays]) -> None:
    regions = len(runs[0]["edges"])
    frame = edge_frame(runs, _MATRIX)
    st.subheader("Edges")
    which = f"The {_MATRIX} of {regions} regions whose edges add most" if regions > _MATRIX else ""
    st.caption(
        f"{which or f'{regions} regions'}, in the atlas's order from 1. Blue speaks for the "
        "decision taken, vermilion against it."
    )
    with st.container(width=_SIDE + _MARGIN):
        charts.show(_heat(frame), "edges", title="Attributions to edges", data=frame)


def _heat(frame: pd.DataFrame) -> Any:
    reach = float(frame["attribution"].abs().max()) or 1.0
    regions = frame["row"].unique().tolist()
    labelled = regions[:: max(1, len(regions) // 10)]
    axis = alt.Axis(values=labelled, ticks=False, domain=False, grid=False, labelAngle=0)
    scale = alt.Scale(domain=[-reach, 0, reach], range=_DIVERGING)
    side = alt.Scale(range=[0, _SIDE])  # in pixels: cells stay square on a page of any width
    legend = alt.Legend(
        orient="bottom", title="adds to the decision", gradientLength=200, tickCount=3
    )
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X("column:O", title="region", axis=axis, scale=side),
            y=alt.Y("row:O", title="region", axis=axis, scale=side),
            color=alt.Color("attribution:Q", scale=scale, legend=legend),
            tooltip=["row:O", "column:O", alt.Tooltip("attribution:Q", format="+.3g")],
        )
        .properties(height=_SIDE)
    )


def _regions(runs: list[Arrays]) -> None:
    st.subheader("Regions")
    frame = region_frame(runs, _RANKED)
    order, names = list(dict.fromkeys(frame["region"])), list(VIEWS.values())
    st.caption(
        "Mean magnitude of what a region adds by its time series and by half of each of its edges."
    )
    chart = (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("region:N", sort=order, title=None),
            x=alt.X("attribution:Q", axis=charts.few("adds to the decision")),
            color=charts.colour("view:N", names, list(frame["view"].unique())),
            tooltip=["region:N", "view:N", alt.Tooltip("attribution:Q", format=".3g")],
        )
        .properties(height=40 + 22 * len(order))
    )
    charts.show(chart, "regions", title="Regions by attribution", data=frame)


def _checks(runs: list[Arrays]) -> None:
    st.subheader("Checks")
    frame = completeness_frame(runs)
    st.caption(
        "Completeness: the sum of all attributions equals the change of the decision from the "
        f"reference. They differ by {deviation(frame):.2%} of it on average."
    )
    ends = [float(frame["difference"].min()), float(frame["difference"].max())]
    base = alt.Chart(frame).encode(
        x=alt.X("difference:Q", axis=charts.few("decision less that on the reference")),
        y=alt.Y("attributed:Q", axis=charts.few("sum of attributions")),
    )
    dots = base.mark_point(filled=True, size=30, opacity=0.6, color=charts.PALETTE[0]).encode(
        tooltip=[alt.Tooltip(f"{each}:Q", format=".3f") for each in ("difference", "attributed")]
    )
    equal = alt.Chart(pd.DataFrame({"difference": ends, "attributed": ends}))
    line = equal.mark_line(color="#888888", strokeDash=[4, 4]).encode(
        x="difference:Q", y="attributed:Q"
    )
    chart = (line + dots).properties(height=240)
    charts.show(chart, "completeness", title="Completeness of the attributions", data=frame)
    st.caption(
        "Weights drawn anew: rank correlation with the attributions of the same network before it "
        "learnt anything. Near 1, what is shown above tells of the recordings alone."
    )
    formats = {
        name: st.column_config.NumberColumn(format="%.2f") for name in ("mean", "least", "most")
    }
    show_frame(sanity_frame(runs), "redrawn", title="Redrawn weights", formats=formats)
