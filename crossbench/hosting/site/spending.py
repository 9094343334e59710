"""What runs cost, as a table of means by machine."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crossbench.hosting.site.markup import Html, element, joined, list_table, named
from crossbench.results.boards.pareto import COSTS, costs_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def spending(runs: pd.DataFrame, links: Mapping[str, str]) -> Html | None:
    """Mean costs of finished runs by method and machine; None where nothing is known.

    Args:
        runs: Rows of a board.
        links: Addresses of the methods by their names on the board.
    """
    done = runs[(runs["status"] == "ok") & (runs["protocol"] != "plain")]
    known = costs_of(done)
    if not known:
        return None
    means = done.groupby(["row", "hardware"])[known].mean()
    rows = [
        (named(str(row), links), *map(number, values), machine or "unknown")
        for (row, machine), values in zip(means.index, means.to_numpy(), strict=True)
    ]
    heads = ["method", *(COSTS[cost] for cost in known), "machine"]
    title = "Parameters and cost, means over runs"
    return joined([element("h3", title), list_table(title, heads, rows)], "\n")


def number(value: float) -> str:
    """A number as short as it may be; a dash where there is none."""
    if math.isnan(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
