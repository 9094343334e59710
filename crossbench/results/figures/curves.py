"""Learning curves, drawn: scores against labelled samples, with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.metrics import title_of
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, tooltip

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossbench.results.boards.curves import Curves
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_HEIGHT = 300  # pixels
_APART = 0.006  # of the axis, between lines at one number: their intervals stand side by side


def curve_figure(curves: Curves, *, theme: Theme = "light") -> Figure:
    """Lines over the number of labelled samples, on a logarithmic axis.

    Args:
        curves: As from :func:`crossbench.results.boards.curves.learning_curves`.
        theme: Light or dark.
    """
    frame = curve_frame(curves)
    short = _short([line.name for line in curves.lines])
    frame["line"] = frame["line"].map(short)
    metric = title_of(curves.metric)
    bars = frame["low"].notna().any()
    return compose(
        frame,
        _layers(frame, metric, [short[line.name] for line in curves.lines if line.plain]),
        name=f"labelled-{curves.task}-{curves.protocol}",
        title=f"{metric} by labelled samples",
        subtitle=[
            f"{curves.task}, {curves.protocol}; means over runs.",
            _left_out(short),
            "Bars: 95 % intervals (corrected for overlapping training parts)." if bars else "",
        ],
        alt=_in_words(frame, metric, curves.task),
        height=_HEIGHT,
        theme=theme,
    )


def curve_frame(curves: Curves) -> pd.DataFrame:
    """The points as a frame, one row each.

    Columns: ``line labelled x score low high runs``; ``x`` is ``labelled``, moved a little apart.
    """
    middle = (len(curves.lines) - 1) / 2
    numbers = [point.labelled for line in curves.lines for point in line.points]
    apart = (max(numbers) / min(numbers)) ** _APART
    return pd.DataFrame(
        {
            "line": line.name,
            "labelled": round(point.labelled),
            "x": point.labelled * apart ** (place - middle),
            "score": point.score.value,
            "low": point.score.low,
            "high": point.score.high,
            "runs": point.runs,
        }
        for place, line in enumerate(curves.lines)
        for point in line.points
    ).astype({"low": float, "high": float})


def _short(names: Sequence[str]) -> dict[str, str]:
    """Names without what follows method and init, where these tell them apart already."""
    heads = {name: name.partition(", ")[0] for name in names}
    return heads if len({*heads.values()}) == len(heads) else {name: name for name in names}


def _left_out(short: Mapping[str, str]) -> str:
    """A sentence of what the short names leave out, by method."""
    found: dict[str, dict[str, None]] = {}
    for name, head in short.items():
        if rest := name[len(head) :].removeprefix(", "):
            found.setdefault(rest, {})[head.partition(" from ")[0]] = None
    return "; ".join(f"{', '.join(methods)}: {rest}" for rest, methods in found.items())


def _layers(frame: pd.DataFrame, metric: str, plain: list[str]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(frame["line"]))
    fitted = [name for name in names if name not in plain]
    look = marks.look("line", fitted, plain, shown=names)
    dash = {"field": "line", "type": "nominal", "legend": None}
    for channel in look.values():  # names are long: one in a line
        channel["legend"] = channel["legend"] | {"columns": 1}
    ticks = sorted(set(frame["labelled"]))
    axis = marks.figures_axis("labelled samples (training and validation)", values=ticks)
    # Ends of its own: the smallest and largest numbers are no decades.
    ends = [0.85 * min(frame["x"]), 1.15 * max(frame["x"])]
    x = field("x", scale={"type": "log", "domain": ends, "nice": False}, axis=axis)
    y = {"scale": marks.scores(), "axis": marks.figures_axis(metric)}
    shown = tooltip(line="", labelled="d", score=".3f", low=".3f", high=".3f", runs="d")
    return [
        {
            "mark": {"type": "rule", "strokeWidth": 2, "opacity": 0.45},
            "encoding": {
                "x": x,
                "y": field("low", **y),
                "y2": {"field": "high"},
                "color": look["color"],
            },
        },
        {
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {
                "x": x,
                "y": field("score", **y),
                "color": look["color"],
                "strokeDash": dash | {"scale": marks.dashes(fitted, plain)},
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 80, "opacity": 1},
            "encoding": {"x": x, "y": field("score", **y), **look, "tooltip": shown},
        },
    ]


def _in_words(frame: pd.DataFrame, metric: str, task: str) -> str:
    """Both ends of each line, for those who do not see it."""
    said = []
    for name, points in frame.groupby("line", sort=False):
        first, last = points.iloc[0], points.iloc[-1]
        said.append(
            f"{name} {first['score']:.3f} with {first['labelled']} and {last['score']:.3f} with "
            f"{last['labelled']}"
        )
    return f"{metric} on {task} by number of labelled samples: {'; '.join(said)}."
