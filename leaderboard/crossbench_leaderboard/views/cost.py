"""What methods cost beside what they achieve, and what benches measured."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import streamlit as st

from crossbench.results.boards.bench_frame import bench_frame
from crossbench.results.boards.benches import bench_tables
from crossbench.results.boards.pareto import COSTS, OF_MACHINES, known_costs, machines
from crossbench.results.figures.cost import cost
from crossbench.results.figures.runtimes import runtimes, workloads
from crossbench.results.records.benches import read_benches
from crossbench_leaderboard.choices import one_of, pick, pick_board
from crossbench_leaderboard.display import offer_frame, show_figure, show_frame, show_table, theme
from crossbench_leaderboard.state import arguments, out_folder, plain, report_command

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.boards.board import Board
    from crossbench_leaderboard.state import Results

_ALL = "all tasks"
_SHARED = (
    "Peak memory of a process is that of everything it has run so far: methods that were run by "
    "one command share it."
)


def show(results: Results) -> None:
    """Draw the view."""
    st.title("What it costs")
    board, metric = pick_board(results.frame)
    if board is not None:
        _trade_off(board)
    _runtimes(results)
    report_command(results, metric)


def _trade_off(board: Board) -> None:
    """Score against one cost, on one machine where it depends on that."""
    known = {COSTS[name].partition(",")[0]: name for name in known_costs(board)}
    if not known:
        st.info("No run of a method here says what it cost.")
        return
    by = known[one_of("Cost", list(known), "cost")]
    left, right = st.columns(2)
    with left:
        board = _of_tasks(board)
    with right:
        machine = _machine(board) if by in OF_MACHINES else None
    figure = cost(board, by, machine=machine, theme=theme())
    show_figure(figure)
    if by == "bytes_process":
        st.caption(_SHARED)
    with st.expander("The numbers"):
        show_frame(_named(figure.data, board, by), "cost-numbers", title=figure.title)


def _named(data: pd.DataFrame, board: Board, by: str) -> pd.DataFrame:
    names = {"name": "Method", "score": board.metric, "cost": by, "front": "On the front"}
    return data[list(names)].rename(columns=names)


def _machine(board: Board) -> str | None:
    """What a run costs on one machine cannot be compared with what it costs on another."""
    names = {name or "unknown machine": name for name in machines(board)}
    if not names:
        return None
    label = f"Machine ({len(names)}): costs are compared on one only"
    return names[pick(label, list(names), "machine")]


def _of_tasks(board: Board) -> Board:
    task = pick("Task", [_ALL, *board.tasks], "costed")
    if task == _ALL:
        return board
    return dataclasses.replace(board, runs=board.runs[board.runs["column"] == task])


def _runtimes(results: Results) -> None:
    """One chart a machine, and the tables behind it."""
    st.subheader("Runtimes")
    found, broken = read_benches([folder for folder in results.folders if folder.is_dir()])
    frame = bench_frame(found)
    if found:
        _show_runtimes(frame)
    else:
        st.write("No runtimes here. This command measures them:")
        words = ("crossbench", "bench", "ops", "--out", out_folder(results))
        st.code(arguments(*words), language="bash")
    for path, reason in broken:
        st.text(f"no valid bench record: {path}: {reason}")


def _show_runtimes(frame: pd.DataFrame) -> None:
    tables = bench_tables(frame)
    for caution in dict.fromkeys(table.caution for table in tables if table.caution):
        st.warning(plain(caution), icon=":material/warning:")
    if timed := workloads(frame):
        for figure in runtimes(frame, one_of("Timed", timed, "timed"), theme=theme()):
            show_figure(figure)
    with st.expander(f"The {len(tables)} tables behind"):
        for number, table in enumerate(tables, 1):
            show_table(table, f"runtimes-table-{number}")
        offer_frame(frame, "runtimes-all")
