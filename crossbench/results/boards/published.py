"""Figures that a paper prints: reported, never ranked with measured ones.

The package that brings the paper's methods registers a folder with ``published.toml`` as
``crossbench.published``.
"""

from __future__ import annotations

import itertools
import tomllib
from functools import cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.metrics import METRICS
from crossbench.registry.entries import PUBLISHED_GROUP, registered_files
from crossbench.results.boards.groups import GROUPS
from crossbench.results.boards.table import Cell, Header, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_REPORTED = "Reported figures: not measured here, and never ranked with those that are."

#: Sign of a figure that its authors set in bold; bold face is the best of what was measured here.
_BOLD = "ᵇ"
_IN_BOLD = f"{_BOLD} in bold in the authors' tables, where they are at hand."

# ------------------------------------------------------------------------- figures


def table1() -> pd.DataFrame:
    """Table I, a row an init and method.

    Columns: ``init method``, the macro-averaged ``precision recall f1 balanced_accuracy``,
    ``accuracy`` (all in [0, 1]), ``mark`` (the sign printed beside the accuracy, or empty),
    ``bold`` (the columns that the authors set in bold), ``source``.
    """
    table = _read()["table1"]
    return pd.DataFrame(
        {
            "init": row["init"],
            "method": row["method"],
            **dict(zip(table["columns"], row["figures"], strict=True)),
            "mark": row.get("mark", ""),
            "bold": tuple(itertools.compress(table["columns"], row["bold"])),
            "source": table["source"],
        }
        for row in table["rows"]
    )


def table2() -> pd.DataFrame:
    """Table II, a row an init, method and task.

    Columns: ``group`` (a card's ``group_by``), ``dimension init method task``, ``mean`` and
    ``std`` (accuracy over 15 runs, in [0, 1]), ``bold`` (whether the authors set the mean in bold,
    None where unknown), ``average`` (over the tasks of the group, as printed), ``bold_average``,
    ``mark`` (the sign printed beside the average, or empty), ``note`` (what is odd about the
    figures, or empty), ``source``.
    """
    table = _read()["table2"]
    return pd.DataFrame(
        {
            "group": group["group"],
            "dimension": group["dimension"],
            "init": row["init"],
            "method": row["method"],
            "task": task,
            "mean": mean,
            "std": std,
            "bold": bold,
            "average": row["average"],
            "bold_average": row["bold"][-1] if "bold" in row else None,
            "mark": row.get("mark", ""),
            "note": group.get("note", ""),
            "source": table["source"],
        }
        for group in table["groups"]
        for row in group["rows"]
        for task, mean, std, bold in zip(
            group["tasks"],
            row["mean"],
            row["std"],
            row["bold"][:-1] if "bold" in row else [None] * len(group["tasks"]),
            strict=True,
        )
    )


def table3() -> pd.DataFrame:
    """Table III, a row an input shape and method.

    Columns: ``shape`` (B, C, H, W), ``method``, ``ms`` (one forward pass), ``device``,
    ``source``.
    """
    table = _read()["table3"]
    return pd.DataFrame(
        {
            "shape": tuple(row["shape"]),
            "method": method,
            "ms": ms,
            "device": table["device"],
            "source": table["source"],
        }
        for row in table["rows"]
        for method, ms in zip(table["methods"], row["ms"], strict=True)
    )


# -------------------------------------------------------------------------- tables


def published_tables() -> list[Table]:
    """Tables I to III as printed, every row marked as reported."""
    groups = table2().groupby("group", sort=False)
    return [_table1(), *(_table2(str(group), rows) for group, rows in groups), _table3()]


def _table1() -> Table:
    figures = table1()
    metrics = [name for name in figures.columns if name in METRICS]
    rows = {}
    for _, row in figures.iterrows():
        marks = dict.fromkeys(row["bold"], _BOLD)
        marks["accuracy"] = marks.get("accuracy", "") + row["mark"]
        rows[Header(f"{row['method']}, init {row['init']}")] = [
            _figure(row[name], 4, mark=marks.get(name, "")) for name in metrics
        ]
    columns = [Header(METRICS[name].title) for name in metrics]
    return _reported("table1", columns, rows, axes=("method", "metric"), notes=_signs(figures))


def _table2(group: str, figures: pd.DataFrame) -> Table:
    rows = {}
    for (init, method), row in figures.groupby(["init", "method"], sort=False):
        bold = _BOLD * bool(row["bold_average"].iloc[0])
        rows[Header(f"{method}, init {init}")] = [
            *(
                Cell(
                    text=f"{mean:.3f} ± {std:.3f}", value=mean, spread=std, mark=_BOLD * bool(bold)
                )
                for mean, std, bold in zip(row["mean"], row["std"], row["bold"], strict=True)
            ),
            _figure(row["average"].iloc[0], mark=bold + row["mark"].iloc[0]),
        ]
    return _reported(
        "table2",
        [*map(Header, figures["task"].unique()), Header("average", "as printed", aside=True)],
        rows,
        axes=("method", "task"),
        suffix=f", {GROUPS[group]}",
        notes=[*_signs(figures), *filter(None, figures["note"].unique())],
    )


def _table3() -> Table:
    times = table3()
    grid = times.pivot_table(values="ms", index="shape", columns="method", sort=False)
    rows = {
        Header("×".join(map(str, shape))): map(_figure, row)
        for shape, row in zip(grid.index, grid.to_numpy(), strict=True)
    }
    columns = [Header(str(method)) for method in grid.columns]
    suffix = f", on {times['device'][0]}"
    return _reported("table3", columns, rows, axes=("input", "method"), suffix=suffix)


def _signs(figures: pd.DataFrame) -> list[str]:
    """What the signs beside some figures mean."""
    bold = [_IN_BOLD] if figures["bold"].map(bool).any() else []
    printed = [f"{mark} as printed in the paper." for mark in figures["mark"].unique() if mark]
    return [*bold, *printed]


def _figure(value: float, digits: int = 3, mark: str = "") -> Cell:
    return Cell(text=f"{value:.{digits}f}", value=value, mark=mark)


def _reported(
    name: str,
    columns: Iterable[Header],
    rows: Mapping[Header, Iterable[Cell]],
    *,
    axes: tuple[str, str],
    suffix: str = "",
    notes: Iterable[str] = (),
) -> Table:
    table = _read()[name]
    return Table.of_rows(
        columns,
        rows.items(),
        title=f"Reported: {table['title']}{suffix}",
        subtitle=f"Printed in {table['source']}",
        axes=axes,
        notes=(_REPORTED, *notes),
    )


@cache
def _read() -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for file in registered_files(PUBLISHED_GROUP):
        tables |= tomllib.loads(file.read_text(encoding="utf-8"))
    return tables
