"""Scores beside costs, and the Pareto front of methods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from crossbench.results.boards.standings import complete_means, higher_is_better

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from crossbench.results.boards.board import Board

#: Columns of a frame of runs that say what a run cost, and their names with units.
COSTS = {
    "ms_per_sample": "latency, ms a sample",
    "parameters_total": "parameters",
    "parameters_trainable": "trainable parameters",
    "cost_gmacs": "GMACs a sample",
    "bytes_cuda": "peak GPU memory, bytes",
    "bytes_process": "peak memory of the process, bytes",
}

#: Those that depend on the machine: compared on one alone.
OF_MACHINES = ("ms_per_sample", "bytes_cuda", "bytes_process")


def machines(board: Board) -> list[str]:
    """The machines of the methods' runs, in words; empty for one that is not known."""
    return sorted(board.runs.loc[board.runs["row"].isin(board.methods), "hardware"].unique())


def on_machine(board: Board, machine: str) -> Board:
    """The methods' runs on one machine, with the plain baselines on their seeds and folds."""
    runs = board.runs
    own = runs["row"].isin(board.methods) & (runs["hardware"] == machine)
    fold = pd.MultiIndex.from_frame(runs[["seed", "fold"]])
    plain = runs["row"].isin(board.plain) & fold.isin(fold[own])
    return replace(board, runs=runs[own | plain])


def known_costs(board: Board) -> list[str]:
    """The columns of :data:`COSTS` that any method's run on a board has."""
    return costs_of(board.runs[board.runs["row"].isin(board.methods)])


def costs_of(runs: pd.DataFrame) -> list[str]:
    """The columns of :data:`COSTS` that any of some runs has."""
    return [name for name in COSTS if name in runs and runs[name].notna().any()]


def cost_frame(board: Board, cost: str) -> pd.DataFrame:
    """Score and cost of the methods that have every run of every task of a board.

    Args:
        board: Runs that may be compared, all on one machine: costs depend on it.
        cost: A column of :data:`COSTS`.

    Returns:
        Columns ``name``, ``score`` and ``cost`` (means over tasks of the mean over runs) and
        ``front`` (whether the method is on the Pareto front), cheapest first.
    """
    means = {
        column: complete_means(board, name)[board.methods].mean(skipna=False)
        for column, name in (("score", board.metric), ("cost", cost))
    }
    frame = pd.DataFrame(means).dropna().rename_axis("name").reset_index()
    higher = higher_is_better(board.metric)
    frame["front"] = pareto_front(frame["cost"], frame["score"], higher_is_better=higher)
    return frame.sort_values(["cost", "score"], ascending=[True, not higher], ignore_index=True)


def pareto_front(
    costs: ArrayLike, scores: ArrayLike, *, higher_is_better: bool = True
) -> NDArray[np.bool_]:
    """Membership of the Pareto front: points that no other point dominates.

    One point dominates another if it is at least as good in cost and score, and better in one
    of them; so of equal points all or none are on the front.

    Args:
        costs: (n,), less is better.
        scores: (n,).
        higher_is_better: Direction of the scores.

    Returns:
        (n,); False where cost or score is NaN, which also dominates nothing.
    """
    cost = np.asarray(costs, dtype=np.float64)
    loss = np.asarray(scores, dtype=np.float64) * (-1 if higher_is_better else 1)
    no_worse = (cost[:, None] <= cost) & (loss[:, None] <= loss)
    better = (cost[:, None] < cost) | (loss[:, None] < loss)
    dominated = (no_worse & better).any(axis=0)
    front: NDArray[np.bool_] = ~dominated & ~np.isnan(cost) & ~np.isnan(loss)
    return front
