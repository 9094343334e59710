"""Forest plots: a dot a row with its interval, beside a line at zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.results.figures import marks
from crossbench.results.figures.figure import field, names_axis

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
    y = names_axis(row, list(frame[row]))
    shown = [each for each in verdicts if each in set(frame[verdict])]
    said = {"field": verdict, "type": "nominal", "legend": marks.legend(shown)}
    look = {
        "color": said | {"scale": {"domain": list(verdicts), "range": list(verdicts.values())}},
        "shape": said | {"scale": marks.shapes(list(verdicts))},
    }
    return [
        {
            "data": ONE,
            "mark": {"type": "rule", "color": marks.GREY, "strokeDash": [4, 3]},
            "encoding": {"x": {"datum": 0} | axis},
        },
        *dots({"y": y}, ("gain", "low", "high"), look, axis=axis, words=words, size=120),
    ]


def dots(
    place: dict[str, Any],
    columns: tuple[str, str, str],
    look: dict[str, Any],
    *,
    axis: dict[str, Any],
    words: list[dict[str, Any]],
    size: int = 130,
) -> list[dict[str, Any]]:
    """The layers of a dot a row over its interval.

    Args:
        place: Encoding of where a row is.
        columns: Of the dots, and of the lower and upper ends of their intervals.
        look: Encodings of colour and shape.
        axis: What the values' encodings have in common.
        words: The tooltip.
        size: Square pixels of a dot.
    """
    value, low, high = columns
    ends = {"x": field(low, **axis), "x2": {"field": high}, "color": look["color"]}
    return [
        {"mark": marks.interval(), "encoding": place | ends},
        {
            "mark": {"type": "point", "filled": True, "size": size, "opacity": 1},
            "encoding": place | {"x": field(value, **axis), **look, "tooltip": words},
        },
    ]
