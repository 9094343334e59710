"""Altair's charts with the marks and the downloads of :mod:`crossbench.results.figures`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt

from crossbench.results.figures import marks
from crossbench.results.figures.figure import Figure
from crossbench_leaderboard.display import draw_chart, theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

PALETTE = marks.PALETTE

# A chart of one view has every point that the view is about, however many.
alt.data_transformers.disable_max_rows()


def show(chart: Any, name: str, *, title: str, data: pd.DataFrame) -> None:
    """Draw a chart as wide as the page, with its downloads.

    Args:
        chart: Altair's, single or layered.
        name: What its files are called, unique on the page.
        title: What it shows, for those who do not see it, and above it in downloaded pictures.
        data: The numbers behind it.
    """
    chosen = theme()
    spec = chart.to_dict()
    spec |= {"description": title, "width": "container", "config": marks.config(chosen)}
    spec["autosize"] = {"type": "fit-x", "contains": "padding"}
    draw_chart(Figure(name=name, title=title, alt=title, spec=spec, data=data, theme=chosen))


def few(title: str, **more: Any) -> alt.Axis:
    """An axis of numbers with few ticks, however wide the chart."""
    return alt.Axis(**marks.figures_axis(title, **more))


def colour(field: str, names: Sequence[str], shown: Sequence[str] | None = None) -> alt.Color:
    """A colour a name, with its legend.

    Args:
        field: Column of the names.
        names: Every name that has a colour on the page.
        shown: Those that have a mark on this chart; all where None.
    """
    legend = marks.legend(names if shown is None else shown)
    return alt.Color(field, scale=marks.colours(names), legend=legend)


def shape(field: str, names: Sequence[str], shown: Sequence[str] | None = None) -> alt.Shape:
    """Shapes for the same legend as the colours."""
    legend = marks.legend(names if shown is None else shown)
    return alt.Shape(field, scale=marks.shapes(names), legend=legend)


def names_axis(field: str, names: Sequence[str]) -> alt.Y:
    """Names below each other in this order, on every layer of a chart alike."""
    domain = alt.Scale(domain=list(names))
    return alt.Y(f"{field}:N", scale=domain, sort=None, title=None, axis=alt.Axis(labelLimit=180))


def intervals(
    frame: pd.DataFrame, *, title: str, order: Sequence[str], plain: Sequence[str] = ()
) -> Any:
    """A dot a name with its interval, the names below each other.

    Args:
        frame: Columns ``name``, ``value``, ``low`` and ``high``; NaN where there is no interval.
        title: What the values are.
        order: Names, the first on top.
        plain: Names below them, in grey.
    """
    names = [*order, *plain]
    base = alt.Chart(frame).encode(
        y=names_axis("name", names),
        color=alt.Color("name:N", scale=marks.colours(order, plain), legend=None),
        tooltip=[
            alt.Tooltip("name:N"),
            *(alt.Tooltip(f"{column}:Q", format=".3f") for column in ("value", "low", "high")),
        ],
    )
    x: dict[str, Any] = {"scale": marks.scores(), "axis": few(title)}
    bars = base.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", **x), x2=alt.X2("high:Q"))
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        x=alt.X("value:Q", **x),
        shape=alt.Shape("name:N", scale=marks.shapes(names), legend=None),
    )
    return (bars + dots).properties(height=marks.rows_height(len(names)))


def whole_names(names: Sequence[str], *, across: bool = False, upright: bool = False) -> alt.Axis:
    """An axis of long names, none of them cut: on lines of their own, or upright."""
    return alt.Axis(**marks.whole_names(names, across=across, upright=upright))


def whole_height(names: Sequence[str]) -> int:
    """Pixels that the tallest name on such an axis takes."""
    return marks.whole_height(names)
