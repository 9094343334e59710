"""Forest plots: a dot a row with its interval, beside a line at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.results.figures import marks
from crossbench.results.figures.figure import field

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

#: The data of what is drawn once.
ONE: dict[str, Any] = {"values": [{}]}


def gains_axis(title: str) -> dict[str, Any]:
    """The axis of signed differences."""
    return {"axis": marks.figures_axis(title, format="+~g")}


def forest(
    frame: pd.DataFrame,
    row: str,
    verdict: str,
    verdicts: Mapping[str, str],
    *,
    axis: dict[str, Any],
    words: list[dict[str, Any]],
) -> list[dict[str, Any]]:
    """The layers of a forest plot.

    Args:
        frame: Columns ``gain``, ``low`` and ``high``, and those named by ``row`` and ``verdict``.
        row: Column of the rows' names, from top to bottom.
        verdict: Column of what is said of a row.
        verdicts: All that can be said, with its colour.
        axis: As from :func:`gains_axis`.
        words: The tooltip.
    """
    names = list(frame[row])
    y = field(row, "nominal", scale={"domain": names}, title=None, axis=marks.whole_names(names))
    shown = [each for each in verdicts if each in set(frame[verdict])]
    said = {"field": verdict, "type": "nominal", "legend": marks.legend(shown)}
    colour = said | {"scale": {"domain": list(verdicts), "range": list(verdicts.values())}}
    shape = said | {"scale": marks.shapes(list(verdicts))}
    return [
        {
            "data": ONE,
            "mark": {"type": "rule", "color": marks.GREY, "strokeDash": [4, 3]},
            "encoding": {"x": {"datum": 0} | axis},
        },
        {
            "mark": marks.interval(),
            "encoding": {
                "y": y,
                "x": field("low", **axis),
                "x2": {"field": "high"},
                "color": colour,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 120, "opacity": 1},
            "encoding": {
                "y": y,
                "x": field("gain", **axis),
                "color": colour,
                "shape": shape,
                "tooltip": words,
            },
        },
    ]
