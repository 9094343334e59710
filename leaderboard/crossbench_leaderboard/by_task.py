"""A board task by task: scores, verdicts and the whole table.

The chart is written in Vega-Lite: it is on the first view, which need not wait until Altair, that
other views' charts are made with, is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.columns import TIED
from crossbench.results.boards.groups import task_groups
from crossbench.results.boards.standings import complete_means
from crossbench.results.boards.tables import leaderboard
from crossbench.results.figures import marks
from crossbench_leaderboard.state import NONE, show_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.boards import Board
    from crossbench.results.boards.standings import Standing
    from crossbench.results.boards.table import Table


def show(board: Board, rows: list[Standing]) -> None:
    """Draw what a board says of each task."""
    st.subheader("Task by task")
    _show_chart(board)
    table = leaderboard(board, task_groups(), rows)
    st.dataframe(_verdicts(table), hide_index=True)
    show_table(table)


def _verdicts(by_task: Table) -> pd.DataFrame:
    """By task: the best method, its ties, and the methods shown to be worse."""
    rows = []
    for place, task in enumerate(by_task.columns):
        if task.aside:
            continue
        cells = {
            row.text: cells[place]
            for row, cells in zip(by_task.rows, by_task.cells, strict=True)
            if not row.aside and cells[place].complete
        }
        best = [name for name, cell in cells.items() if cell.best]
        tied = [name for name, cell in cells.items() if TIED in cell.mark]
        worse = [name for name in cells if name not in [*best, *tied]]
        verdict = {"Best": best, "Not shown to differ from it": tied, "Shown to be worse": worse}
        rows.append({"Task": task.text} | {key: _listed(names) for key, names in verdict.items()})
    return pd.DataFrame(rows)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or NONE


def _show_chart(board: Board) -> None:
    """One dot a method and task, those with every run."""
    means = complete_means(board, board.metric).rename_axis("task").reset_index()
    dots = means.melt("task", var_name="name", value_name="value").dropna()
    names = [*board.methods, *board.plain]
    shown = [name for name in names if name in set(dots["name"])]
    task, name = ({"field": field, "type": "nominal"} for field in ("task", "name"))
    score = {"field": "value", "type": "quantitative"}
    spec = {
        "mark": {"type": "point", "filled": True, "size": 110, "opacity": 0.9},
        "encoding": {
            "x": score | {"title": title_of(board.metric), "scale": marks.scores()},
            "y": task | {"title": None, "axis": {"labelLimit": 150}},
            "color": name | {"scale": marks.colours(names), "legend": marks.legend(shown)},
            "shape": name | {"scale": marks.shapes(names), "legend": marks.legend(shown)},
            "tooltip": [task, name, score | {"format": ".3f"}],
        },
        "height": marks.height(len(board.counted)) + marks.legend_height(shown),
    }
    st.vega_lite_chart(dots, spec, width="stretch")
