"""Notes below a board's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.evaluation.metrics import METRICS, title_of
from crossbench.evaluation.statistics import MIN_TASKS, RESAMPLES
from crossbench.results.boards.columns import NOT_ABOVE, PARTIAL, TIED
from crossbench.results.boards.contents import (
    SUPERSEDED,
    content_detail,
    content_notes,
    import_note,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.columns import Column
    from crossbench.results.boards.standings import Standing
    from crossbench.results.boards.table import Header

SEED = 0
"""Seed of the resamples behind a report's intervals."""


def subtitle(board: Board, what: str) -> str:
    """Content of the cells, and the runs that they summarise."""
    if len(board.folds) == 1:
        return f"{what} of one run, {folds_in_words(board.runs)}"
    return f"{what}, mean ± population std over {grid_in_words(board)}"


def grid_in_words(board: Board) -> str:
    """The runs of a full cell: ``15 runs (3 seeds × 5 folds)``."""
    count = len(board.folds)
    seeds = len({seed for seed, _ in board.folds})
    if count == 1 or count % seeds:
        return _plural(count, "run")
    return f"{count} runs ({_plural(seeds, 'seed')} × {_plural(count // seeds, 'fold')})"


def task_detail(board: Board, task: str) -> str:
    """Marks of a task: ungrouped beside grouped ones, which data, earlier version."""
    ungrouped, data = _ungrouped(board), content_detail(board, task)
    said = ["ungrouped"] if task in ungrouped and ungrouped != set(board.tasks) else []
    earlier = task in board.earlier and data != SUPERSEDED
    return ", ".join(filter(None, [*said, data, "earlier version" * earlier]))


def _ungrouped(board: Board) -> set[str]:
    """Tasks whose patients (or the card's group) may be in training and test alike."""
    return set(board.runs.loc[board.runs["grouped"].eq(other=False), "column"])


def baseline_notes(board: Board, columns: Iterable[Column]) -> list[str]:
    """Plain baselines, and the mark of cells no better than the majority class."""
    notes = []
    if board.plain:
        names = ", ".join(board.plain)
        notes.append(f"Plain baselines, shown for comparison and not ranked: {names}.")
    if "majority" not in board.plain:
        notes.append("No majority-class runs here to compare with.")
    if _is_marked(columns, NOT_ABOVE):
        notes.append(f"{NOT_ABOVE} no better than guessing the majority class.")
    return notes


def chance_notes(board: Board, columns: Iterable[Header]) -> list[str]:
    """What the row of chance is, and the metrics of which it is not defined."""
    metrics = [name for name in METRICS if name in {header.metric for header in columns}]
    notes = []
    if any(board.chance(name) for name in metrics):
        notes.append(
            "Chance: what a guess expects that gives each of K classes the probability 1/K."
        )
    if without := ", ".join(title_of(name) for name in metrics if METRICS[name].chance is None):
        notes.append(f"Chance is not defined where it depends on the test samples: {without}.")
    return notes


def metric_notes(board: Board) -> list[str]:
    """Main metrics that tasks declare, where they differ from the one shown."""
    declared = ", ".join(map(title_of, board.declared))
    if board.metric not in board.declared:
        return [f"{title_of(board.metric)} was asked for; declared as main metric: {declared}."]
    if len(board.declared) > 1:
        remedy = "report --metric asks for another"
        return [f"The tasks declare several main metrics ({declared}); {remedy}."]
    return []


def partial_note(board: Board, columns: Mapping[Header, Column]) -> list[str]:
    """The mark of means over fewer classes than there are, and their tasks."""
    marked = {header.metric for header, column in columns.items() if _is_marked([column], PARTIAL)}
    what = "in some runs a mean over fewer classes, for their test parts lack one: another quantity"
    where = sorted({board.lacking(metric) for metric in marked})
    return [f"{PARTIAL} {what} than the others ({words})." for words in where]


def tie_note(board: Board, columns: Mapping[Header, Column], axis: str) -> list[str]:
    """The mark of a tie, and its test."""
    if not _is_marked(columns.values(), TIED):
        return []
    runs = len(board.folds)
    test = (
        f"corrected resampled t over {runs} paired runs, Holm over the pairs of methods on "
        "all tasks"
        if runs > 1 and board.split_folds > 1
        else "a single run or fold carries no test"
    )
    return [f"{TIED} not shown to differ from the best of its {axis} at 5 % ({test})."]


def claim_notes(board: Board, rows: Sequence[Standing]) -> list[str]:
    """Claims over tasks: coverage, tests, intervals."""
    methods = [row for row in rows if not row.plain]
    short = [f"{row.name} ({row.tasks} of {row.total})" for row in methods if row.tasks < row.total]
    notes = [f"Not ranked, for they lack runs of some tasks: {', '.join(short)}."] if short else []
    count = len(board.counted)
    if count < MIN_TASKS:
        return [*notes, f"No claim over tasks: {_plural(count, 'task')}, {MIN_TASKS} are needed."]
    placed = [row for row in methods if row.rank]
    if any(row.beside_first for row in placed):
        notes.append(
            f"Mean rank: ties with the first ({TIED}) by Wilcoxon's signed rank test over N = "
            f"{count} tasks, Holm over the pairs of ranked methods."
        )
        notes += [f"{row.name}: {row.note}." for row in placed if row.beside_first == "ahead"]
    elif placed:
        notes.append(f"Mean rank: {placed[0].note}.")
    return [*notes, _TASK_INTERVALS]


def data_notes(board: Board) -> list[str]:
    """Imported, ungrouped and superseded data, replaced and unsealed records."""
    notes = [*content_notes(board), *import_note(board)]
    if ungrouped := _ungrouped(board):
        which = "All tasks are" if ungrouped == set(board.tasks) else "Where said, a task is"
        notes.append(f"{which} ungrouped: samples of one patient may be trained and tested on.")
    if board.earlier:
        which = ", ".join(board.earlier)
        notes.append(f"Not counted over tasks, being earlier versions of one that is: {which}.")
    if board.superseded:
        runs = _plural(board.superseded, "older record")
        notes.append(f"Left out: {runs} of the same runs, from before their splits changed.")
    if unsealed := int((~board.runs["sealed"]).sum()):
        runs = f"{unsealed} of {_plural(len(board.runs), 'record')}"
        notes.append(
            f"Unsealed: {runs}, of schema 1; no digest shows whether they were changed. Metrics "
            "are computed from the float32 probabilities that they keep."
        )
    return notes


_TASK_INTERVALS = (
    f"a to b: 95 % interval; of an average, tasks resampled ({RESAMPLES:,} resamples, seed "
    f"{SEED}); of a mean rank, Clopper and Pearson's between its bounds."
)
RUN_INTERVALS = (
    "a to b: 95 % interval, Student's t over the runs, corrected for their overlapping "
    "training parts."
)


def _is_marked(columns: Iterable[Column], mark: str) -> bool:
    return any(mark in cell.mark for column in columns for cell in column.values())


def folds_in_words(runs: pd.DataFrame) -> str:
    """The folds of each seed in words: ``seed 43 folds 0 1 2, seed 44 fold 0``."""
    folds: dict[int, list[int]] = {}
    for seed, fold in sorted(set(zip(runs["seed"], runs["fold"], strict=True))):
        folds.setdefault(seed, []).append(fold)
    return ", ".join(
        f"seed {seed} fold{'s' * (len(of_seed) > 1)} {' '.join(map(str, of_seed))}"
        for seed, of_seed in folds.items()
    )


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
