"""Figures that a paper prints: reported, never ranked with measured ones.

The package that brings the paper's methods registers a folder with ``published.toml`` as
``crossbench.published``.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import pandas as pd

from crossbench.evaluation.metrics import METRICS
from crossbench.registry.entries import PUBLISHED_GROUP, registered_files
from crossbench.results.boards.groups import GROUPS
from crossbench.results.boards.table import Cell, Header, Table

_REPORTED = "Reported figures: not measured here, and never ranked with those that are."

# ------------------------------------------------------------------------- figures


def table1() -> pd.DataFrame:
    """Table I, a row an init and method.

    Columns: ``init method``, the macro-averaged ``precision recall f1 balanced_accuracy``,
    ``accuracy`` (all in [0, 1]), ``source``.
    """
    table = _read()["table1"]
    return pd.DataFrame(
        {
            "init": row["init"],
            "method": row["method"],
            **dict(zip(table["columns"], row["figures"], strict=True)),
            "source": table["source"],
        }
        for row in table["rows"]
    )


def table2() -> pd.DataFrame:
    """Table II, a row an init, method and task.

    Columns: ``group`` (a card's ``group_by``), ``dimension init method task``, ``mean`` and
    ``std`` (accuracy over 15 runs, in [0, 1]), ``average`` (over the tasks of the group, as
    printed), ``mark`` (the sign printed beside the average, or empty), ``note`` (what is odd about
    the figures, or empty), ``source``.
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
            "average": row["average"],
            "mark": row.get("mark", ""),
            "note": group.get("note", ""),
            "source": table["source"],
        }
        for group in table["groups"]
        for row in group["rows"]
        for task, mean, std in zip(group["tasks"], row["mean"], row["std"], strict=True)
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
    rows = table1()
    metrics = [name for name in rows.columns if name in METRICS]
    return _reported(
        rows["source"][0],
        _read()["table1"]["title"],
        axes=("method", "metric"),
        rows=[Header(f"{row['method']}, init {row['init']}") for _, row in rows.iterrows()],
        columns=[Header(METRICS[name].title) for name in metrics],
        cells=[
            [Cell(text=f"{row[name]:.4f}", value=row[name]) for name in metrics]
            for _, row in rows.iterrows()
        ],
    )


def _table2(group: str, figures: pd.DataFrame) -> Table:
    tasks = list(figures["task"].unique())
    by_row = list(figures.groupby(["init", "method"], sort=False))
    return _reported(
        figures["source"].iloc[0],
        f"{_read()['table2']['title']}, {GROUPS[group]}",
        axes=("method", "task"),
        rows=[Header(f"{method}, init {init}") for (init, method), _ in by_row],
        columns=[*map(Header, tasks), Header("average", "as printed", aside=True)],
        cells=[
            [
                *(
                    Cell(text=f"{mean:.3f} ± {std:.3f}", value=mean, spread=std)
                    for mean, std in zip(row["mean"], row["std"], strict=True)
                ),
                Cell(
                    text=f"{row['average'].iloc[0]:.3f}",
                    mark=row["mark"].iloc[0],
                    value=row["average"].iloc[0],
                ),
            ]
            for _, row in by_row
        ],
        notes=[
            *(f"{mark} as printed in the paper." for mark in figures["mark"].unique() if mark),
            *(note for note in figures["note"].unique() if note),
        ],
    )


def _table3() -> Table:
    times = table3()
    grid = times.pivot_table(values="ms", index="shape", columns="method", sort=False)
    return _reported(
        times["source"][0],
        f"{_read()['table3']['title']}, on {times['device'][0]}",
        axes=("input", "method"),
        rows=[Header("×".join(map(str, shape))) for shape in grid.index],
        columns=[Header(str(method)) for method in grid.columns],
        cells=[[Cell(text=f"{ms:.3f}", value=ms) for ms in row] for row in grid.to_numpy()],
    )


def _reported(
    source: str,
    title: str,
    *,
    axes: tuple[str, str],
    rows: list[Header],
    columns: list[Header],
    cells: list[list[Cell]],
    notes: list[str] | None = None,
) -> Table:
    return Table(
        title=f"Reported: {title}",
        subtitle=f"Printed in {source}",
        axes=axes,
        rows=tuple(rows),
        columns=tuple(columns),
        cells=tuple(map(tuple, cells)),
        notes=(_REPORTED, *(notes or ())),
    )


@cache
def _read() -> dict[str, Any]:
    tables: dict[str, Any] = {}
    for file in registered_files(PUBLISHED_GROUP):
        tables |= tomllib.loads(file.read_text(encoding="utf-8"))
    return tables
