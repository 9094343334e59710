"""Two methods compared by task and over tasks; then all methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import altair as alt
import pandas as pd
import streamlit as st

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics import friedman, tied_groups
from crossbench.results.boards.compare import compare_on, comparison_notes, refusal
from crossbench.results.boards.pairwise import verdict_frame, win_frame
from crossbench.results.boards.standings import complete_means, higher_is_better
from crossbench.results.figures import marks
from crossbench_leaderboard import charts
from crossbench_leaderboard.choices import pick, pick_board
from crossbench_leaderboard.display import show_frame
from crossbench_leaderboard.state import NONE, arguments, command, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.evaluation.statistics import Comparison, Friedman
    from crossbench.results.boards.boards import Board
    from crossbench_leaderboard.state import Results

_VERDICTS = ["better", "equivalent", "undecided", "no claim", "worse"]
_VERDICT_COLOURS = ["#0072B2", "#009E73", "#8C8C8C", "#BFBFBF", "#D55E00"]
_OUTCOMES = {"better": "#0072B2", "equivalent": "#8C8C8C", "worse": "#D55E00"}
_NOT_APART = "not told apart"


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
    tested = frame[frame["reason"] == ""]
    if len(tested):
        _task_charts(comparison, tested)
    st.subheader("In words to quote")
    st.code("\n\n".join(comparison.sentences()), language=None, wrap_lines=True)
    with st.expander("The numbers"):
        show_frame(frame, "comparison")


def _task_charts(comparison: Comparison, tested: pd.DataFrame) -> None:
    st.subheader("Task by task")
    title = f"gain in {comparison.metric_words}"
    st.caption(
        "The mean gain of the candidate with its interval (corrected resampled t); right of 0 the "
        f"candidate is better. Within the band of ±{comparison.rope:g} two methods are practically "
        "equivalent. No claim: all runs of a method share one draw of weights."
    )
    charts.show(_gains(tested, title, comparison), "gains", title=title, data=tested)
    st.caption("Posterior probabilities (Bayesian correlated t) of better, equivalent and worse.")
    title = "posterior probabilities by task"
    charts.show(_probabilities(tested), "probabilities", title=title, data=tested)


def _gains(tested: pd.DataFrame, title: str, comparison: Comparison) -> Any:
    """A dot and interval a task over the band of practical equivalence."""
    base = alt.Chart(tested).encode(
        y=alt.Y("task:N", title=None, axis=alt.Axis(labelLimit=150)),
        color=alt.Color(
            "verdict:N",
            scale=alt.Scale(domain=_VERDICTS, range=_VERDICT_COLOURS),
            legend=alt.Legend(orient="bottom", title=None, columns=2),
        ),
        tooltip=[
            alt.Tooltip("task:N"),
            alt.Tooltip("verdict:N"),
            alt.Tooltip("gain:Q", format="+.3f"),
            alt.Tooltip("low:Q", format="+.3f", title=f"{1 - comparison.alpha:.0%} from"),
            alt.Tooltip("high:Q", format="+.3f", title="to"),
            alt.Tooltip("p_holm:Q", format=".2g", title="p (Holm)"),
        ],
    )
    bars = base.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", axis=charts.few(title)), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(
        x=alt.X("gain:Q"),
        shape=alt.Shape("verdict:N", scale=charts.shapes(_VERDICTS), legend=None),
    )
    ends = {"from": [-comparison.rope], "to": [comparison.rope]}
    rope = pd.DataFrame(ends | {"zero": [0.0]})
    band = alt.Chart(rope).mark_rect(color="#8C8C8C", opacity=0.25).encode(x="from:Q", x2="to:Q")
    zero = alt.Chart(rope).mark_rule(color="#8C8C8C", strokeDash=[4, 3]).encode(x="zero:Q")
    return (band + zero + bars + dots).properties(height=marks.rows_height(len(tested)))


def _probabilities(tested: pd.DataFrame) -> Any:
    """One bar a task, cut into the three probabilities."""
    long = tested.melt("task", list(_OUTCOMES), var_name="outcome", value_name="probability")
    long["order"] = long["outcome"].map(list(_OUTCOMES).index)
    chart = alt.Chart(long).mark_bar()
    return chart.encode(
        y=alt.Y("task:N", title=None, axis=alt.Axis(labelLimit=150)),
        x=alt.X(
            "probability:Q",
            axis=charts.few("posterior probability"),
            scale=alt.Scale(domain=[0, 1]),
        ),
        order=alt.Order("order:Q"),
        color=alt.Color(
            "outcome:N",
            sort=list(_OUTCOMES),
            scale=alt.Scale(domain=list(_OUTCOMES), range=list(_OUTCOMES.values())),
            legend=alt.Legend(orient="bottom", title=None),
        ),
        tooltip=["task:N", "outcome:N", alt.Tooltip("probability:Q", format=".2f")],
    ).properties(height=marks.rows_height(len(tested)))


# --------------------------------------------------------------------- all methods


def _all_methods(board: Board, metric: str) -> None:
    st.subheader("All methods of the board")
    scores = complete_means(board, metric)[board.methods]
    higher = higher_is_better(metric)
    complete = scores.dropna(axis="columns")
    try:
        test = friedman(complete, higher_is_better=higher)
    except StatisticsError as error:
        st.text(f"No diagram of mean ranks: {error}.")
    else:
        groups = tied_groups(complete, higher_is_better=higher)
        st.text(test.sentence())
        st.caption(
            "Grey lines join methods of which no two are shown to differ, by the test behind the "
            "leaderboard's marks: Wilcoxon's signed rank over tasks, Holm over all pairs, 5 %."
        )
        ranks = pd.Series(test.mean_ranks, name="mean rank").rename_axis("method").reset_index()
        chart = _mean_ranks(test, groups, board.methods)
        charts.show(chart, "mean-ranks", title="Mean ranks and ties", data=ranks)
    if len(board.methods) < 2:
        return
    st.caption(
        "Wins, ties and losses of the row against the column: tasks on which its mean is better, "
        "equal or worse, where both have every run. A win need not be a difference that is shown."
    )
    wins = win_frame(scores, higher_is_better=higher)
    show_frame(_matrix(wins, board.methods).reset_index(), "wins", title="Wins, ties and losses")


def _matrix(wins: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Words such as ``3 / 0 / 1`` by method and opponent."""
    parts = (wins[name].astype(str) for name in ("wins", "ties", "losses"))
    text = wins.assign(text=[" / ".join(each) for each in zip(*parts, strict=True)])
    matrix = text.pivot(index="name", columns="opponent", values="text")
    return matrix.reindex(index=names, columns=names).fillna(NONE)


def _mean_ranks(test: Friedman, groups: Sequence[Sequence[str]], methods: list[str]) -> Any:
    """Critical difference diagram: mean ranks, a line through each tied group."""
    names = list(test.mean_ranks)
    ranks = pd.DataFrame({"name": names, "rank": list(test.mean_ranks.values())})
    joined = pd.DataFrame(
        [
            {
                "name": _NOT_APART,
                "group": ", ".join(group),
                "method": name,
                "rank": test.mean_ranks[name],
            }
            for group in groups
            for name in group
        ],
        columns=["name", "group", "method", "rank"],
    )
    rows = [*names, _NOT_APART] if len(joined) else names
    y = alt.Y("name:N", sort=rows, title=None, axis=alt.Axis(labelLimit=150))
    scale = alt.Scale(domain=[1, len(names)], nice=False, padding=12)
    x = alt.X("rank:Q", title="mean rank (1 is best)", scale=scale)
    dots = (
        alt.Chart(ranks)
        .mark_point(filled=True, size=130, opacity=1)
        .encode(
            y=y,
            x=x,
            color=alt.Color("name:N", scale=charts.colours(methods), legend=None),
            shape=alt.Shape("name:N", scale=charts.shapes(methods), legend=None),
            tooltip=["name:N", alt.Tooltip("rank:Q", format=".2f")],
        )
    )
    ties = (
        alt.Chart(joined)
        .mark_line(color="#8C8C8C", point=alt.OverlayMarkDef(color="#8C8C8C", size=60))
        .encode(y=y, yOffset="group:N", x=x, detail="group:N", tooltip=["method", "group"])
    )
    return (dots + ties).properties(height=marks.rows_height(len(rows)))
