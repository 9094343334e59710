"""Shared parts of Vega-Lite charts: colours, shapes, scales, legends, sizes.

Text, axes and background come from Streamlit's theme, which follows the reader's choice of
light or dark; marks have colours that stand out on both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Okabe and Ito's colours (2008), those first that stand out on white and on black alike;
#: their black is grey here.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#8C8C8C",
    "#F0E442",
)
#: One hue from little to much, in four even steps: read by lightness alone.
SEQUENTIAL = ["#F2F7FB", "#9CC4E0", "#0072B2", "#003A5C"]

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_ROW_HEIGHT = 34


def colours(names: Sequence[str]) -> dict[str, Any]:
    """A scale with the same colour for the same name on every chart of a page."""
    return {"domain": list(names), "range": _cycled(PALETTE, len(names))}


def shapes(names: Sequence[str]) -> dict[str, Any]:
    """A scale of shapes beside the colours, so that no reading rests on colour alone."""
    return {"domain": list(names), "range": _cycled(_SHAPES, len(names))}


def scores() -> dict[str, Any]:
    """A scale about the values, with room for the marks at its ends."""
    return {"zero": False, "nice": False, "padding": 12}


def legend(names: Sequence[str]) -> dict[str, Any]:
    """A legend below the chart, where it leaves a narrow screen to the marks."""
    return {
        "title": None,
        "orient": "bottom",
        "columns": 2,
        "labelLimit": 150,
        "symbolOpacity": 1,
        "values": list(names),
    }


def legend_height(names: Sequence[str]) -> int:
    """Pixels that the legend takes below a chart."""
    return 50 + 22 * ((len(names) + 1) // 2)


def height(rows: int, each: int = 0) -> int:
    """Pixels for so many names below each other, none of them lower than ``each``."""
    return 80 + max(_ROW_HEIGHT, each) * max(rows, 1)


def _cycled(values: Sequence[str], count: int) -> list[str]:
    return [values[place % len(values)] for place in range(count)]
