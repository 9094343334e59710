"""A method's kernel on its way from 2D to 3D: the plane, and the planes that it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, tooltip

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme
    from crossbench.specs.conformance import Kernel, Plane

_CELL = 28  # pixels
_GAP = 1.0  # between planes, in cells
_LINE = 0.8  # for the words above a plane
_WHAT = (
    "Answers to an impulse: left that of the 2D layer, which was given a ramp; then that of the 3D "
    "layer made of it, plane by plane through the depth."
)
_SIGNS = ("#D55E00", "#0072B2")  # below and above zero


def kernel_path(method: str, kernels: Sequence[Kernel], *, theme: Theme = "light") -> Figure:
    """What a method makes of a 2D kernel in 3D, a row for each that its outputs have.

    Args:
        method: Its name.
        kernels: As ``crossbench check-method`` measures them, one at least.
        theme: Light or dark.
    """
    frame = kernel_frame(kernels)
    planes = frame["plane"].nunique()
    return compose(
        frame,
        _layers(frame, theme),
        name="kernel-path",
        title=f"The kernel of {method} from 2D to 3D",
        subtitle=[_WHAT],
        alt=_in_words(method, kernels, planes - 1),
        height=int(_CELL * (frame["y2"].max() + 0.2)),
        theme=theme,
    )


def kernel_frame(kernels: Sequence[Kernel]) -> pd.DataFrame:
    """One row a value: ``plane words row column value``, and its place ``x x2 y y2``, in cells.

    Words name the outputs and the plane, ``2D`` or its place in depth.
    """
    return pd.DataFrame([each for place in _places(kernels) for each in place])


def _places(kernels: Sequence[Kernel]) -> Iterator[list[dict[str, Any]]]:
    top = 0.0
    for kernel in kernels:
        volume = kernel.volume
        side = max(len(plane) for plane in (kernel.plane, *volume))
        named = [(f"2D, {_outputs(kernel)}", kernel.plane)]
        named += [
            (f"depth {depth - len(volume) // 2:+d}".replace("+0", "0"), plane)
            for depth, plane in enumerate(volume)
        ]
        for number, (words, plane) in enumerate(named):
            left = number * (side + _GAP)
            yield _values(plane, number, words, left, top + _LINE)
        top += side + _LINE + _GAP / 2


def _values(plane: Plane, number: int, words: str, left: float, top: float) -> list[dict[str, Any]]:
    return [
        {
            "plane": number,
            "words": words,
            "row": row,
            "column": column,
            "value": value,
            "x": left + column,
            "x2": left + column + 1,
            "y": top + row,
            "y2": top + row + 1,
        }
        for row, values in enumerate(plane)
        for column, value in enumerate(values)
    ]


def _outputs(kernel: Kernel) -> str:
    return f"output{'s' * (len(kernel.channels) > 1)} {' '.join(map(str, kernel.channels))}"


def _in_words(method: str, kernels: Sequence[Kernel], planes: int) -> str:
    said = []
    for kernel in kernels:
        weights = [sum(abs(value) for row in plane for value in row) for plane in kernel.volume]
        total = sum(weights) or 1.0
        shares = ", ".join(f"{100 * each / total:.0f} %" for each in weights)
        said.append(f"{_outputs(kernel)}: {shares}")
    return (
        f"The kernel of {method} in 2D and in {planes} planes of 3D. "
        f"Share of each plane in the sum of absolute values: {'; '.join(said)}."
    )


def _layers(frame: pd.DataFrame, theme: Theme) -> list[dict[str, Any]]:
    page = marks.PAGES[theme]
    reach = float(frame["value"].abs().max()) or 1.0
    bare = {"axis": None, "scale": {"nice": False, "zero": True}}
    down = {"axis": None, "scale": {"nice": False, "zero": True, "reverse": True}}
    shade = field(
        "value",
        scale={
            "domain": [-reach, 0, reach],
            "range": [_SIGNS[0], page.paper, _SIGNS[1]],
            "interpolate": "rgb",
        },
        legend=marks.gradient([-reach, 0, reach], format=".2g"),
    )
    first = "datum.row === 0 && datum.column === 0"
    return [
        {
            "mark": {"type": "rect", "stroke": page.line, "strokeWidth": 1},
            "encoding": {
                "x": field("x", **bare),
                "x2": {"field": "x2"},
                "y": field("y", **down),
                "y2": {"field": "y2"},
                "color": shade,
                "tooltip": tooltip(words="", row="", column="", value=".3f"),
            },
        },
        {
            "transform": [{"filter": first}],
            "mark": {"type": "text", "align": "left", "baseline": "bottom", "dy": -3},
            "encoding": {
                "x": field("x", **bare),
                "y": field("y", **down),
                "text": field("words", "nominal"),
            },
        },
    ]
