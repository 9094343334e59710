"""Costs: latency, parameters, arithmetic and memory, and runtime tables."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import altair as alt
import streamlit as st

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.bench_frame import bench_frame
from crossbench.results.boards.benches import bench_tables
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.pareto import COSTS, cost_frame, known_costs
from crossbench.results.records.benches import read_benches
from crossbench_leaderboard import charts
from crossbench_leaderboard.state import (
    arguments,
    download,
    out_folder,
    pick_board,
    pick_metric,
    plain,
    report_command,
    show_table,
)

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.boards.boards import Board
    from crossbench_leaderboard.state import Results

_ALL = "all tasks"
_SHARED = (
    "Peak memory of a process is that of everything it has run so far: methods that were run by "
    "one command share it."
)


def show(results: Results) -> None:
    """Draw the view."""
    st.title("What it costs")
    metric = pick_metric("cost-metric")
    board = pick_board(split_boards(results.frame, metric), "cost-board")
    board = _on_one_machine(board)
    board = _of_tasks(board)
    known = known_costs(board)
    if known:
        _trade_off(
            board, st.selectbox("Cost", known, format_func=COSTS.__getitem__, key="cost-cost")
        )
    else:
        st.info("No run of a method here says what it cost.")
    _runtimes(results)
    report_command(results, metric)


def _on_one_machine(board: Board) -> Board:
    """The runs on one machine: what a run costs on another is not comparable."""
    methods = board.runs[board.runs["row"].isin(board.methods)]
    machines = sorted(methods["hardware"].unique())
    if not machines:
        return board
    machine = st.selectbox(
        f"Machine ({len(machines)}): costs are compared on one only",
        machines,
        format_func=lambda name: name or "unknown machine",
        key="cost-machine",
    )
    return dataclasses.replace(board, runs=board.runs[board.runs["hardware"] == machine])


def _of_tasks(board: Board) -> Board:
    task = st.selectbox("Task", [_ALL, *board.tasks], key="cost-task")
    if task == _ALL:
        return board
    return dataclasses.replace(board, runs=board.runs[board.runs["column"] == task])


def _trade_off(board: Board, cost: str) -> None:
    frame = cost_frame(board, cost)
    absent = [name for name in board.methods if name not in set(frame["name"])]
    if len(frame):
        st.caption(
            "On the dashed line, the Pareto front, no other method is both better and cheaper. "
            "Score and cost are means over the runs, then over the tasks."
        )
        charts.show(_scatter(frame, board, COSTS[cost]))
    if absent:
        st.text(f"Left out, for a run or its cost is missing here: {', '.join(absent)}.")
    if cost == "bytes_process":
        st.caption(_SHARED)
    named = frame.rename(columns={"score": board.metric, "cost": cost, "front": "on the front"})
    st.dataframe(named, hide_index=True)
    download(named, "cost")


def _scatter(frame: pd.DataFrame, board: Board, what: str) -> Any:
    """Score against cost, a mark a method, and the front as a line."""
    score = title_of(board.metric)
    x = alt.X("cost:Q", title=what, scale=alt.Scale(zero=False, padding=16))
    y = alt.Y("score:Q", title=score, scale=alt.Scale(zero=False, padding=16))
    line = alt.Chart(frame[frame["front"]]).mark_line(
        color="#8C8C8C", strokeDash=[5, 4], interpolate="step-after"
    )
    marks = alt.Chart(frame).mark_point(filled=True, size=160, opacity=1)
    shown = list(frame["name"])
    return (
        line.encode(x=x, y=y)
        + marks.encode(
            x=x,
            y=y,
            color=charts.colour("name:N", board.methods, shown),
            shape=charts.shape("name:N", board.methods, shown),
            tooltip=[
                "name:N",
                alt.Tooltip("score:Q", format=".3f", title=score),
                alt.Tooltip("cost:Q", format=",.4~g", title=what),
            ],
        )
    ).properties(height=380)


def _runtimes(results: Results) -> None:
    st.subheader("Runtimes")
    found, broken = read_benches([folder for folder in results.folders if folder.is_dir()])
    frame = bench_frame(found)
    for table in bench_tables(frame):
        if table.caution:
            st.warning(plain(table.caution), icon=":material/warning:")
        show_table(table)
    if found:
        download(frame, "runtimes")
    else:
        st.write("No runtimes here. This command measures them:")
        st.code(
            arguments("crossbench", "bench", "ops", "--out", out_folder(results)), language="bash"
        )
    for path, reason in broken:
        st.text(f"no valid bench record: {path}: {reason}")
