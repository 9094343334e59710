"""Dashboard page on predicted shifts and shifted kernels of Cross-D layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st

from crossbench_baselines.shifts import kernel_frame, shift_frame, shift_layers
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import chips, pick, switch
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
_CELL = 15  # pixels
_BESIDE = 3  # kernels in a row
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
    kernels = placed(frame[frame["kernel"].isin(shown)], shown)
    title = f"Kernels of {layer}, output channel {channel}: {', '.join(shown)}"
    charts.show(_heat(kernels, what, reach), "kernels", title=title, data=kernels)
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
    samples = [int(index) for index in chips("Samples", drawn, "drawn", default=drawn)]
    change = switch("Show the change from angle 0", "change")
    return layer, channel, samples, change


def placed(frame: pd.DataFrame, shown: list[str]) -> pd.DataFrame:
    """The kernels beside and below each other: columns ``x x2 y y2``, in cells.

    Args:
        frame: Columns ``kernel row column`` and others.
        shown: Names of the kernels in their order.
    """
    side = int(frame[["row", "column"]].to_numpy().max()) + 1
    places = frame["kernel"].map({name: place for place, name in enumerate(shown)}).astype(int)
    x = frame["column"] + places % _BESIDE * (side + 0.1 * side)
    y = frame["row"] + places // _BESIDE * (side + 0.1 * side + 1.5) + 1.5  # words above
    return frame.assign(x=x, x2=x + 1, y=y, y2=y + 1)


def _heat(kernels: pd.DataFrame, what: str, reach: float) -> Any:
    scale = alt.Scale(domain=[-reach, 0, reach], range=_DIVERGING)
    # Ranges in pixels: cells stay square on a page of any width.
    across, down = (
        alt.Scale(nice=False, domain=[0, end], range=[0, _CELL * end])
        for end in (float(kernels["x2"].max()), float(kernels["y2"].max()))
    )
    x = alt.X("x:Q", axis=None, scale=across)
    y = alt.Y("y:Q", axis=None, scale=down)
    base = alt.Chart(kernels)
    cells = base.mark_rect().encode(
        x=x,
        x2="x2:Q",
        y=y,
        y2="y2:Q",
        color=alt.Color(f"{what}:Q", scale=scale, legend=None),
        tooltip=["kernel:N", "row:O", "column:O", alt.Tooltip(f"{what}:Q", format="+.4f")],
    )
    first = (alt.datum.row == 0) & (alt.datum.column == 0)
    names = base.transform_filter(first).mark_text(align="left", baseline="bottom", dy=-4)
    words = names.encode(x=x, y=y, text="kernel:N")
    return (cells + words).properties(height=int(_CELL * kernels["y2"].max()))
