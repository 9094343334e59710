"""A figure: a chart in Vega-Lite, its words, and the numbers behind it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossbench.results.figures import marks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """A chart that any page can show and any paper can print.

    Attributes:
        name: What its files are called, of letters, digits and hyphens.
        title: What it shows, in words.
        alt: The same for those who do not see it, in a few sentences.
        spec: Vega-Lite with its data inlined, as wide as its container; the page has the title.
        data: The numbers behind it, one row a mark.
        theme: What it was drawn for.
        subtitle: Sentences below the title.
    """

    name: str
    title: str
    alt: str
    spec: dict[str, Any]
    data: pd.DataFrame
    theme: marks.Theme
    subtitle: tuple[str, ...] = ()


def compose(
    data: pd.DataFrame,
    layers: Sequence[dict[str, Any]],
    *,
    name: str,
    title: str,
    subtitle: Sequence[str] = (),
    alt: str,
    height: int,
    theme: marks.Theme,
) -> Figure:
    """A figure of layers that share their data and theme.

    Args:
        data: One row a mark.
        layers: Views of Vega-Lite; the lower ones first.
        name: What its files are called.
        title: What it shows.
        subtitle: Sentences below the title.
        alt: What those read who do not see it.
        height: Pixels of the part that the axes enclose.
        theme: Light or dark.
    """
    spec = {
        "$schema": SCHEMA,
        "description": alt,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": records(data)},
        "layer": list(layers),
        "config": marks.config(theme),
    }
    return Figure(
        name=name,
        title=title,
        alt=alt,
        spec=spec,
        data=data,
        theme=theme,
        subtitle=tuple(subtitle),
    )


def records(data: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame as plain JSON; what is not there is null."""
    rows: list[dict[str, Any]] = json.loads(data.to_json(orient="records", double_precision=15))
    return rows


def field(name: str, kind: str = "quantitative", /, **more: Any) -> dict[str, Any]:
    """The encoding of a column."""
    return {"field": name, "type": kind, **more}


def names_axis(
    column: str, names: Sequence[str], below: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The encoding of names below each other, none of them cut, each with a line below it."""
    axis = marks.whole_names(names, below=below)
    return field(column, "nominal", scale={"domain": list(names)}, title=None, axis=axis)


def tooltip(**formats: str) -> list[dict[str, Any]]:
    """What a pointer shows, by column: a number format, or "" for words."""
    return [
        field(name, format=form) if form else field(name, "nominal")
        for name, form in formats.items()
    ]
