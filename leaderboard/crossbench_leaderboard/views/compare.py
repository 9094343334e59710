"""Two methods compared by task and over tasks; then all methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from crossbench.errors import StatisticsError
from crossbench.results.boards.compare import (
    compare_on,
    comparison_notes,
    refusal,
    verdict_frame,
    win_matrix,
)
from crossbench.results.boards.standings import complete_means, higher_is_better
from crossbench.results.figures.critical_difference import critical_difference
from crossbench.results.figures.gains import gains, probabilities
from crossbench_leaderboard.choices import pick, pick_board
from crossbench_leaderboard.display import show_figure, show_frame, theme
from crossbench_leaderboard.state import arguments, command, plain

if TYPE_CHECKING:
    from crossbench.evaluation.statistics import Comparison
    from crossbench.results.boards.board import Board
    from crossbench_leaderboard.state import Results


def show(results: Results) -> None:
    """Draw the view."""
    st.title("Compare two methods")
    board, _ = pick_board(results.frame)
    if board is None:
        return
    metric = board.metric
    pair = _pick_methods(board)
    if pair is None:
        st.info("Only one method is on this board, so there is nothing to compare it with.")
        return
    baseline, candidate = pair
    if why := refusal(board, baseline, candidate):
        st.info(plain(why))
        return
    comparison = compare_on(board, baseline, candidate)
    _two_methods(comparison)
    for note in comparison_notes(board, baseline, candidate):
        st.caption(plain(note))
    words = ["--baseline", baseline, "--candidate", candidate, "--metric", metric]
    command(arguments("crossbench", "compare", *results.read, *words))
    _all_methods(board, metric)


def _pick_methods(board: Board) -> tuple[str, str] | None:
    """Baseline and candidate; None where there are no two rows to choose from."""
    rows = [*board.methods, *board.plain]
    if len(rows) < 2:
        return None
    left, right = st.columns(2)
    with left:
        baseline = pick("Baseline", rows, "baseline")
    others = [row for row in rows if row != baseline]
    last = max(place for place, row in enumerate(others) if row in board.methods or not place)
    with right:
        candidate = pick("Candidate", others, "candidate", first=last)
    return baseline, candidate


# --------------------------------------------------------------------- two methods


def _two_methods(comparison: Comparison) -> None:
    frame = verdict_frame(comparison)
    st.subheader("Over tasks")
    st.text(comparison.overall.sentence(comparison))
    if (frame["reason"] == "").any():
        _task_charts(comparison)
    st.subheader("In words to quote")
    st.code("\n\n".join(comparison.sentences()), language=None, wrap_lines=True)
    with st.expander("The numbers"):
        show_frame(frame, "comparison")


def _task_charts(comparison: Comparison) -> None:
    st.subheader("Task by task")
    st.caption(
        "No claim: all runs of a method share one draw of weights. The probabilities are the "
        "posterior's of better, practically equivalent and worse."
    )
    show_figure(gains(comparison, theme=theme()))
    show_figure(probabilities(comparison, theme=theme()))


# --------------------------------------------------------------------- all methods


def _all_methods(board: Board, metric: str) -> None:
    st.subheader("All methods of the board")
    scores = complete_means(board, metric)[board.methods]
    try:
        figure = critical_difference(board, theme=theme())
    except StatisticsError as error:
        st.text(f"No diagram of mean ranks: {error}.")
    else:
        show_figure(figure)
        st.caption(
            "Not told apart: by the test behind the leaderboard's marks, Wilcoxon's signed rank "
            "over tasks, Holm over all pairs, 5 %."
        )
    if len(board.methods) < 2:
        return
    st.caption(
        "Wins, ties and losses of the row against the column: tasks on which its mean is better, "
        "equal or worse, where both have every run. A win need not be a difference that is shown."
    )
    wins = win_matrix(scores, higher_is_better=higher_is_better(metric))
    show_frame(wins.reset_index(), "wins", title="Wins, ties and losses")
