"""Standings, their uncertainty and their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from crossbench.evaluation.statistics import MIN_TASKS
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.contents import contents_of
from crossbench.results.boards.published import table2
from crossbench.results.boards.tables import ranked
from crossbench_leaderboard import by_task
from crossbench_leaderboard.filters import filtered
from crossbench_leaderboard.state import NONE, download, pick_board, pick_metric, report_command

if TYPE_CHECKING:
    from crossbench.evaluation.statistics import Estimate
    from crossbench.results.boards.boards import Board
    from crossbench.results.boards.standings import Standing
    from crossbench_leaderboard.state import Results

_COSTS = {
    "parameters_trainable": "Trainable parameters",
    "cost_gmacs": "GMACs a sample",
    "ms_per_sample": "ms a sample",
}


_PLACES = {"ties": "ties with first", "behind": "behind", "ahead": "better than first", None: ""}


def show(results: Results) -> None:
    """Draw the view."""
    st.title("Leaderboard")
    st.write(
        "Methods by their mean rank over the tasks of a board; every filter ranks anew, and "
        "what may not be compared is never on one board."
    )
    with st.expander("Filters"):
        runs = filtered(results.frame, key="leaderboard")
    metric = pick_metric("leaderboard-metric")
    boards = split_boards(runs, metric, contents_of(results.frame))
    if not boards:
        st.info("No runs are left; take a filter away.")
        return
    board = pick_board(boards, key="leaderboard-board")
    rows = ranked(board)
    table = _standings_frame(board, rows)
    _show_claim(rows)
    _show_standings(table)
    by_task.show(board, rows)
    _show_published(board)
    report_command(results, metric)
    download(table, "leaderboard")


# -------------------------------------------------------------------- over the tasks


def _show_claim(rows: list[Standing]) -> None:
    """The claim over tasks, or the lack of one."""
    first = rows[0]
    if first.beside_first is None:
        st.subheader("No claim over tasks")
        if first.rank is not None and first.total >= MIN_TASKS:
            st.text(f"{first.note[0].upper()}{first.note[1:]}.")
        else:
            st.write(
                f"A claim needs {MIN_TASKS} tasks on which two or more methods have every run; "
                f"this board has {first.total}."
            )
        st.write("What can be said is said of each task, below.")
        return
    st.subheader("First over tasks")
    st.text(first.name)
    st.write("Not shown to differ from it (Wilcoxon over tasks, Holm over all pairs, 5 %):")
    tied = [row.name for row in rows[1:] if row.rank and row.beside_first in ("ties", None)]
    st.text("\n".join(tied) or "none: all others are shown to differ")
    for row in rows:
        if row.beside_first == "ahead":
            st.text(f"{row.name}: {row.note}")


def _show_standings(table: pd.DataFrame) -> None:
    """The ranked methods, and the plain baselines set aside."""
    methods = _telling(table[table["Kind"] == "method"].drop(columns="Kind"))
    plain = table[table["Kind"] != "method"]
    st.dataframe(methods, hide_index=True, column_config=_formats())
    if len(plain):
        st.caption("Plain baselines, never ranked: what a network has to beat.")
        kept = ["Method", "Mean", "Mean, 95 % interval", "Tasks"]
        st.dataframe(_telling(plain[kept]), hide_index=True, column_config=_formats())


def _telling(table: pd.DataFrame) -> pd.DataFrame:
    """The columns with content in some row, for narrow screens."""
    silent = table.isna() | table.isin(["", NONE])
    return table.loc[:, ~silent.all()]


def _formats() -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "Method": st.column_config.TextColumn(pinned=True),
        "Mean rank": number(format="%.2f"),
        "Mean": number(format="%.3f"),
        _COSTS["parameters_trainable"]: number(format="localized"),
        _COSTS["cost_gmacs"]: number(format="%.2f"),
        _COSTS["ms_per_sample"]: number(
            format="%.2f", help="Empty where the runs are of several machines."
        ),
    }


def _standings_frame(board: Board, rows: list[Standing]) -> pd.DataFrame:
    """The standings as a frame: what is shown, and what is downloaded."""
    costs = _costs(board)
    return pd.DataFrame(
        {
            "Method": row.name,
            "Kind": "plain baseline" if row.plain else "method",
            "Mean rank": row.rank.value if row.rank else None,
            "Rank, 95 % interval": _interval(row.rank),
            "First": _PLACES[row.beside_first],
            "Mean": row.mean.value if row.mean else None,
            "Mean, 95 % interval": _interval(row.mean),
            "Tasks": f"{row.tasks}/{row.total}",
            **{label: costs[label].get(row.name) for label in costs},
            "Note": row.note,
        }
        for row in rows
    )


def _interval(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return NONE
    return f"{estimate.low:.3f} to {estimate.high:.3f}"


def _costs(board: Board) -> dict[str, dict[Any, float]]:
    """Mean cost over a row's finished runs; times only where all are of one machine."""
    done = board.runs[(board.runs["status"] == "ok") & (board.runs["protocol"] != "plain")]
    columns = {name: label for name, label in _COSTS.items() if name in done}
    if done["hardware"].nunique() > 1:
        columns.pop("ms_per_sample", None)
    return {
        label: done.groupby("row")[name].mean().dropna().to_dict()
        for name, label in columns.items()
    }


# ------------------------------------------------------------------------- published


def _show_published(board: Board) -> None:
    """The paper's rows of these tasks, or of tasks of this dimension."""
    figures = table2()
    here = figures[figures["task"].isin(board.runs["task"])]
    with st.expander("What the paper reports (never ranked with what is measured here)"):
        if here.empty:
            st.write("The paper reports none of these tasks. Its tasks of this dimension:")
            here = figures[figures["dimension"].isin(board.runs["dimension"])]
        st.caption(f"Reported accuracy, mean ± std. Source: {here['source'].iloc[0]}.")
        words = here["mean"].map("{:.3f}".format) + " ± " + here["std"].map("{:.3f}".format)
        rows = here.assign(text=words).pivot_table(
            values="text", index=["init", "method"], columns="task", aggfunc="first", sort=False
        )
        st.dataframe(rows.reset_index(), hide_index=True)
