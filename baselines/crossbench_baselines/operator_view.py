"""Dashboard page on predicted shifts and shifted kernels of Cross-D layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st

from crossbench_baselines.shifts import kernel_frame, shift_frame, shift_layers
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import pick
from crossbench_leaderboard.observed import picked_run, show_command

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench_leaderboard.state import Results

_EXPLANATION = (
    "A small network in each Cross-D layer predicts an axis k and an angle θ for each sample. By "
    "the paper's equations the layer then multiplies the phases of its 3D kernel, which amounts "
    "to a circular *shift* of the kernel by fractions of a voxel, s = Rᵀ1 with R = I + θ[k]ₓ: "
    "one number an axis, and their sum is always 3. The kernel grid is not rotated. The middle "
    "slice of the shifted kernel is the sample's 2D kernel. At angle 0 the shift is (1, 1, 1), so "
    "the layer uses not the middle slice of its 3D kernel but its neighbour, rolled by one in the "
    "plane; the angle moves the shift away from there, by at most 1.11 voxels along an axis."
)
_WIDTH = 160
_DIVERGING = (charts.PALETTE[1], "#F7F7F7", charts.PALETTE[0])
_AXES = {"first": "first axis", "second": "second axis", "third": "third axis"}


def show(results: Results) -> None:
    """Draw the view."""
    st.title("Inside the operator")
    st.write(_EXPLANATION)
    picked = picked_run(results, method="crossd", key="observed")
    if picked is None:
        return
    record, diagnostics = picked
    if diagnostics is None or not shift_layers(diagnostics):
        st.info("No layer of this run predicts a shift.")
        return
    _distributions(diagnostics)
    _kernels(diagnostics)
    show_command(record)


# ------------------------------------------------------------------- distributions


def _distributions(diagnostics: Diagnostics) -> None:
    frame = shift_frame(diagnostics)
    layers = shift_layers(diagnostics)
    st.subheader("Angles and shifts by layer")
    st.caption(
        f"One mark for each of {len(diagnostics.index)} test samples; the first layer is on top. "
        "1×1 layers, which no shift changes, are not shown."
    )
    charts.show(_angles(frame, layers), "angles", title="Predicted angles by layer", data=frame)
    charts.show(_shifts(frame, layers), "shifts", title="Shifts by layer", data=frame)


def _marks(frame: pd.DataFrame, layers: list[str], *, row: int, size: int) -> Any:
    axis = alt.Axis(labelLimit=130, labelOverlap=False)
    return (
        alt.Chart(frame)
        .mark_tick(thickness=2, size=size, opacity=0.6)
        .encode(y=alt.Y("layer:N", sort=layers, title=None, axis=axis))
        .properties(height=60 + row * len(layers))
    )


def _angles(frame: pd.DataFrame, layers: list[str]) -> Any:
    limit = math.pi / 4
    return _marks(frame, layers, row=20, size=14).encode(
        x=alt.X(
            "angle:Q",
            scale=alt.Scale(domain=[-limit, limit], nice=False),
            axis=charts.few("predicted angle, radians (limits ±π/4)"),
        ),
        color=alt.value(charts.PALETTE[0]),
        tooltip=["layer:N", "sample:Q", alt.Tooltip("angle:Q", format=".3f")],
    )


def _shifts(frame: pd.DataFrame, layers: list[str]) -> Any:
    axes = list(_AXES.values())
    long = frame.rename(columns=_AXES).melt(
        ["layer", "sample"], axes, var_name="axis", value_name="shift"
    )
    return _marks(long, layers, row=40, size=10).encode(
        x=alt.X(
            "shift:Q",
            scale=alt.Scale(zero=False),
            axis=charts.few("shift, voxels (1 at angle 0)"),
        ),
        yOffset=alt.YOffset("axis:N", sort=axes),
        color=charts.colour("axis:N", axes),
        tooltip=["layer:N", "axis:N", "sample:Q", alt.Tooltip("shift:Q", format=".3f")],
    )


# ------------------------------------------------------------------------- kernels


def _kernels(diagnostics: Diagnostics) -> None:
    st.subheader("Kernels before and after the shift")
    layer, channel, samples, change = _pick_kernels(diagnostics)
    frame = kernel_frame(diagnostics, layer)
    frame = frame[frame["channel"] == channel]
    shown = [name for name in frame["kernel"].unique() if not name.startswith("sample ")]
    shown += [f"sample {index}" for index in samples]
    what = "change" if change else "weight"
    reach = float(frame.loc[frame["kernel"].isin(shown), what].abs().max()) or 1.0
    st.caption(
        "From the first input channel. *Middle slice*: of the 3D kernel, before any shift. "
        "*Angle 0*: what the layer would use without turning. *Sample*: what it uses for that one."
    )
    with st.container(horizontal=True):
        for number, name in enumerate(shown):
            with st.container(width=_WIDTH, gap=None):
                kernel = frame[frame["kernel"] == name]
                st.text(name)
                charts.show(_heat(kernel, what, reach), f"kernel-{number}", title=name, data=kernel)
    st.caption(
        f"Colours run from {-reach:.2g} (vermilion) over 0 (white) to {reach:.2g} (blue). Rows are "
        "the kernel's second axis, columns its third."
    )


def _pick_kernels(diagnostics: Diagnostics) -> tuple[str, int, list[int], bool]:
    """Layer, output channel, samples, and whether the change from angle 0 is wanted."""
    layers = shift_layers(diagnostics)
    left, right = st.columns(2)
    with left:
        layer = pick("Layer", layers, "layer")
    count = len(diagnostics.layers[layer]["kernel_middle"])
    with right:
        channel = int(pick("Output channel", list(map(str, range(count))), "channel"))
    drawn = [int(index) for index in diagnostics.drawn]
    samples = st.multiselect("Samples", drawn, default=drawn, key="operator-samples")
    change = st.toggle("Show the change from angle 0", key="operator-change")
    return layer, channel, samples, change


def _heat(kernel: pd.DataFrame, what: str, reach: float) -> Any:
    axis = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    scale = alt.Scale(domain=[-reach, 0, reach], range=_DIVERGING)
    return (
        alt.Chart(kernel)
        .mark_rect()
        .encode(
            x=alt.X("column:O", title="third axis", axis=axis),
            y=alt.Y("row:O", title="second axis", axis=axis),
            color=alt.Color(f"{what}:Q", scale=scale, legend=None),
            tooltip=["row:O", "column:O", alt.Tooltip(f"{what}:Q", format="+.4f")],
        )
        .properties(height=_WIDTH + 20)  # the lower axis' title
    )
