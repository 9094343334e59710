"""The first view: what this is, the standings, and every method on every task."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from crossbench.evaluation.statistics import MIN_TASKS
from crossbench.results.boards.board_columns import board_columns, with_columns
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.curves import learning_curves
from crossbench.results.boards.groups import task_groups
from crossbench.results.boards.published import table2
from crossbench.results.boards.tables import leaderboard, ranked
from crossbench.results.figures.curves import curve_figure
from crossbench.results.figures.heat_map import heat_map
from crossbench.results.figures.standings import standings
from crossbench_leaderboard.choices import chips, pick_board
from crossbench_leaderboard.display import show_figure, show_frame, show_table, theme
from crossbench_leaderboard.hosted import show_head, show_submissions
from crossbench_leaderboard.state import link_to, report_command

if TYPE_CHECKING:
    from crossbench.results.boards.board import Board
    from crossbench.results.boards.standings import Standing
    from crossbench_leaderboard.state import Results

_WHAT = (
    "Which convolution carries what was learnt in 2D into 3D medical volumes, by how much is it "
    "better, and at what cost? Every method runs on the same folds of the same tasks, and no "
    "difference is claimed that the runs do not show."
)
_COUNT_WIDTH = 150


def show(results: Results) -> None:
    """Draw the view."""
    _what_this_is(results)
    board, metric = pick_board(results.frame, filters=True)
    if board is None:
        st.info("No runs are left; take a filter away.")
        return
    rows = ranked(board)
    _show_claim(rows)
    show_figure(standings(board, rows=rows, theme=theme()))
    _link_methods(board)
    show_figure(heat_map(board, rows=rows, theme=theme()))
    _show_curves(results, board, metric)
    _show_table(board, rows)
    show_submissions(results.hosted)
    _show_published(board)
    report_command(results, metric)


def _what_this_is(results: Results) -> None:
    """Title, one sentence, and how much there is of it."""
    if results.hosted:
        show_head(results.hosted)
    else:
        st.title("Leaderboard")
        st.write(_WHAT)
    frame = results.frame
    networks = frame[frame["protocol"] != "plain"]
    failed = int((frame["status"] != "ok").sum())
    counts = {
        "Methods": networks["method"].nunique(),
        "Tasks": frame["task"].nunique(),
        "Runs": len(frame),
        "Without a result": failed,
    }
    with st.container(horizontal=True):
        for label, count in counts.items():
            st.metric(label, f"{count:,}", width=_COUNT_WIDTH)


def _show_claim(rows: list[Standing]) -> None:
    """The claim over tasks, or the lack of one, in one line."""
    first = rows[0]
    if first.beside_first is not None:
        tied = [row.name for row in rows[1:] if row.rank and row.beside_first == "ties"]
        st.text(f"First over tasks: {first.name}. {_beside(tied)}")
        for row in rows:
            if row.beside_first == "ahead":
                st.text(f"{row.name}: {row.note}")
    elif first.rank is not None and first.total >= MIN_TASKS:
        st.text(f"No claim over tasks: {first.note}.")
    else:
        st.text(
            f"No claim over tasks: a claim needs {MIN_TASKS} on which two or more methods have "
            f"every run; this board has {first.total}. What can be said of each is said below."
        )


def _show_curves(results: Results, board: Board, metric: str | None) -> None:
    """The board's tasks by number of labelled samples, which are boards apart."""
    frame = results.frame
    same = frame["task"].isin(board.runs["task"]) & (frame["preset"] == board.shared["preset"])
    protocols = set(board.runs["protocol"])
    for curves in learning_curves(split_boards(frame[same], metric, board.contents)):
        if curves.protocol in protocols and curves.task in board.tasks:
            show_figure(curve_figure(curves, theme=theme()))
            link_to("pretraining", "What pretraining is worth, in numbers")


def _link_methods(board: Board) -> None:
    """A link to the page of each method, without its versions."""
    methods = board.runs[board.runs["protocol"] != "plain"]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name in sorted(methods["method"].unique()):
            link_to("method", f"About {name}", method=name)


def _beside(tied: list[str]) -> str:
    test = "(Wilcoxon over tasks, Holm over all pairs, 5 %)"
    if tied:
        return f"Not shown to differ from it {test}: {', '.join(tied)}."
    return f"All others are shown to differ {test}."


# ------------------------------------------------------------------------- the table


def _show_table(board: Board, rows: list[Standing]) -> None:
    """The columns that the reader chose, and what a reader of them must know."""
    with st.expander("In numbers"):
        table = leaderboard(board, task_groups(), rows)
        usual = [column.text for column in table.columns]
        further, faults = board_columns()
        offered = {column.title: column for column in further.values()}
        chosen = chips("Columns", [*usual, *offered], "columns", default=usual)
        added = [offered[title] for title in chosen if title in offered]
        show_table(with_columns(table, board, added).only(chosen), "leaderboard")
        for column in added:
            st.caption(f"{column.title}: {column.help}")
        for fault in faults:
            st.text(f"Column not loaded: {fault}")


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
        show_frame(rows.reset_index(), "published", title="Accuracy as reported")
