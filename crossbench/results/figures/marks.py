"""Shared parts of Vega-Lite charts: themes, colours, shapes, scales, legends, sizes.

Marks have colours that stand out on a light and on a dark page alike; words, axes and the shades of
a heat map are a theme's.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle, islice
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Theme: TypeAlias = Literal["light", "dark"]

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
#: What stands aside or helps to read: plain baselines, fronts, zero lines.
GREY = "#8C8C8C"
#: One hue from little to much, in four even steps: read by lightness alone.
SEQUENTIAL = ["#F2F7FB", "#9CC4E0", "#0072B2", "#003A5C"]

#: Of words on a mark.
INKS = ("#000000", "#FFFFFF")

_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
_METHOD_COLOURS = tuple(colour for colour in PALETTE if colour not in {GREY, "#F0E442"})
_ROW_HEIGHT = 34
_TICKS = 6
_LINE = 14  # letters of a name in one line
LINE_HEIGHT, LETTER_WIDTH = 15, 7  # pixels


@dataclass(frozen=True, kw_only=True)
class Page:
    """Colours of what is not a mark.

    Attributes:
        ink: Words that must be read.
        soft: Words that explain.
        line: Grid and axes.
        paper: Background of a picture that stands alone.
        shades: From little to much, away from the paper's lightness.
    """

    ink: str
    soft: str
    line: str
    paper: str
    shades: tuple[str, ...]


PAGES: dict[Theme, Page] = {
    "light": Page(
        ink="#1A1A1A", soft="#5C5C5C", line="#D8D8D8", paper="#FFFFFF", shades=tuple(SEQUENTIAL)
    ),
    "dark": Page(
        ink="#E8E8E8",
        soft="#A3A3A3",
        line="#3C4248",
        paper="#16191D",
        shades=("#22303C", "#1F5F8B", "#56B4E9", "#D9EEFB"),
    ),
}


def config(theme: Theme) -> dict[str, Any]:
    """Vega-Lite's configuration of a theme: words and lines; the background is the page's own."""
    page = PAGES[theme]
    words = {"labelColor": page.ink, "titleColor": page.ink, "labelFontSize": 12}
    return {
        "background": "transparent",
        "font": "sans-serif",
        "view": {"stroke": None},
        "title": {
            "color": page.ink,
            "subtitleColor": page.soft,
            "anchor": "start",
            "frame": "bounds",
            "fontSize": 15,
            "subtitleFontSize": 12,
            "subtitleLineHeight": 15,
            "subtitlePadding": 5,
            "offset": 12,
        },
        "axis": words
        | {
            "gridColor": page.line,
            "domainColor": page.line,
            "tickColor": page.line,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 8,
        },
        "legend": words | {"titleFontSize": 12, "titleFontWeight": "normal", "titleLimit": 0},
        "text": {"color": page.ink, "fontSize": 12},
    }


def colours(names: Sequence[str], plain: Sequence[str] = ()) -> dict[str, Any]:
    """A scale with the same colour for the same name on every chart of a page.

    Args:
        names: Names that have a colour each.
        plain: Names that follow in grey.
    """
    chosen = islice(cycle(_METHOD_COLOURS if plain else PALETTE), len(names))
    return {"domain": [*names, *plain], "range": [*chosen, *[GREY] * len(plain)]}


def shapes(names: Sequence[str]) -> dict[str, Any]:
    """A scale of shapes beside the colours, so that no reading rests on colour alone.

    Where colours begin again, shapes do not: each name has a pair of its own.
    """
    count = len(_SHAPES)
    chosen = [_SHAPES[(place + place // count) % count] for place in range(len(names))]
    return {"domain": list(names), "range": chosen}


def dashes(names: Sequence[str], plain: Sequence[str] = ()) -> dict[str, Any]:
    """A scale of strokes: broken where a line has the colour of one before it.

    Args:
        names: Names that have a colour each.
        plain: Names that follow in grey.
    """
    count = len(_METHOD_COLOURS if plain else PALETTE)
    broken = [[6, 4] if place >= count else [1, 0] for place in range(len(names))]
    return {"domain": [*names, *plain], "range": broken + [[1, 0]] * len(plain)}


def look(
    name: str,
    methods: Sequence[str],
    plain: Sequence[str] = (),
    shown: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Colour and shape of a column of names.

    Args:
        name: The column.
        methods: Names with a colour each.
        plain: Names in grey.
        shown: Names in the legend; None for no legend, where names stand beside their marks.
    """
    below = legend(shown) if shown else None
    encoding = {"field": name, "type": "nominal", "legend": below}
    return {
        "color": encoding | {"scale": colours(methods, plain)},
        "shape": encoding | {"scale": shapes([*methods, *plain])},
    }


def scores() -> dict[str, Any]:
    """A scale about the values, with room for the marks at its ends."""
    return {"zero": False, "nice": False, "padding": 12}


def interval() -> dict[str, Any]:
    """The mark of an interval, below the dot of its value."""
    return {"type": "rule", "strokeWidth": 3, "opacity": 0.75}


def figures_axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis of numbers with few ticks, however wide the chart."""
    ticks: dict[str, Any] = {"tickCount": _TICKS}
    if "values" in more:  # all of them: whole numbers are else thinned out to a step of one
        ticks = {"tickCount": len(more["values"]), "tickMinStep": 0}
    return {"title": title, "labelFlush": False, "labelOverlap": True} | ticks | more


def legend(names: Sequence[str]) -> dict[str, Any]:
    """A legend below the chart, where it leaves a narrow screen to the marks."""
    return {
        "title": None,
        "orient": "bottom",
        "columns": 2,
        "labelLimit": 0,
        "symbolOpacity": 1,
        "values": list(names),
    }


def gradient(values: Sequence[float], **more: Any) -> dict[str, Any]:
    """A legend of shades below the chart, with these values at its ends or between."""
    return {"title": None, "orient": "bottom", "gradientLength": 200, "values": values} | more


def rows_height(rows: int, each: int = 0) -> int:
    """Pixels for so many names below each other, none of them lower than ``each``."""
    return max(_ROW_HEIGHT, each) * max(rows, 1)


def whole_names(
    names: Sequence[str],
    *,
    below: Mapping[str, str] | None = None,
    across: bool = False,
    upright: bool = False,
) -> dict[str, Any]:
    """An axis of long names, none of them cut: on lines of their own, or upright.

    Args:
        names: The names.
        below: What stands in a line of its own below a name.
        across: Whether they stand beside each other.
        upright: Whether they are turned, each in one line.
    """
    if upright:
        return {"labelAngle": -90, "labelLimit": 0}
    more = below or {}
    lines = {name: [*wrap(name, _LINE), *wrap(more.get(name, ""))] for name in names}
    counts = sorted(map(len, lines.values())) or [1]
    if across:  # lines hang down from where the first stands: all end at the same height
        lines = {name: [""] * (counts[-1] - len(own)) + own for name, own in lines.items()}
    return {
        "labelAngle": 0,
        "labelLimit": 0,
        "labelExpr": f"{json.dumps(lines)}[datum.label]",
        "labelAlign": "center" if across else "right",
        "labelOffset": 0 if across else -LINE_HEIGHT // 2 * (counts[len(counts) // 2] - 1),
        "labelFlush": False,
    }


def whole_height(names: Sequence[str]) -> int:
    """Pixels that the tallest name of such an axis takes, where none is upright."""
    return max(LINE_HEIGHT * len(wrap(name, _LINE)) for name in names)


def shade(theme: Theme, share: float) -> str:
    """The colour of a share in [0, 1] on a theme's shades, as ``#RRGGBB``."""
    stops = [_channels(colour) for colour in PAGES[theme].shades]
    place = min(max(share, 0.0), 1.0) * (len(stops) - 1)
    first = min(int(place), len(stops) - 2)
    pairs = zip(stops[first], stops[first + 1], strict=True)
    mixed = (round(low + (high - low) * (place - first)) for low, high in pairs)
    return "#" + "".join(f"{channel:02X}" for channel in mixed)


def ink_on(colour: str) -> str:
    """Black or white, whichever stands out more on a colour (WCAG 2.2's contrast)."""
    light = luminance(colour)
    return INKS[0] if (light + 0.05) ** 2 > 1.05 * 0.05 else INKS[1]


def luminance(colour: str) -> float:
    """Relative luminance of ``#RRGGBB`` in [0, 1], as WCAG 2.2 defines it."""
    shares = (channel / 255 for channel in _channels(colour))
    linear = [
        each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in shares
    ]
    return sum(weight * each for weight, each in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))
