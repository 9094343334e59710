"""The report: boards, runtimes, pretraining, then failures and broken files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import RequestError
from crossbench.results.boards.bench_frame import bench_frame
from crossbench.results.boards.benches import bench_tables
from crossbench.results.boards.board_columns import chosen, with_costs
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.curves import curve_table, learning_curves
from crossbench.results.boards.groups import task_groups
from crossbench.results.boards.pretrainings import pretrain_tables
from crossbench.results.boards.published import published_tables
from crossbench.results.boards.tables import (
    broken_files,
    failures,
    leaderboard,
    leaderboards,
    task_tables,
)
from crossbench.results.boards.titles import headings
from crossbench.results.boards.transfer_tables import transfer_tables
from crossbench.results.records.benches import read_benches
from crossbench.results.records.conformances import find_reports
from crossbench.results.records.files import read_record
from crossbench.results.records.loading import read_frame
from crossbench.results.records.pretrainings import read_pretrainings
from crossbench.results.records.store import without_runs
from crossbench.results.report.appendix import appendix
from crossbench.results.report.render import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.table import Table
    from crossbench.specs import RunRecord


def report(  # noqa: PLR0913  (one a flag of the command)
    folders: Sequence[Path | str],
    form: str = "table",
    *,
    task: str | None = None,
    metric: str | None = None,
    board: int | None = None,
    columns: Sequence[str] = (),
    costs: bool = False,
    with_appendix: bool = False,
    published: bool = False,
    width: int | None = None,
    colour: bool = False,
) -> str:
    """The results in one or more folders, in words and figures.

    Args:
        folders: Results folders, read together.
        form: One of :data:`crossbench.results.report.render.FORMATS`.
        task: None for leaderboards over tasks and runtimes, or a task to show every metric of.
        metric: What boards show and rank by; each board's main metric where None. Where a task
            is given every metric is shown.
        board: Number of the one board that is shown, counted from 1 in the order of all.
        columns: What boards show, by name as
            :func:`~crossbench.results.boards.board_columns.chosen` takes them; every column where
            there is none, and other tables then too.
        costs: Whether boards have a column for each known cost.
        with_appendix: Whether commands, methods, tasks and versions follow.
        published: Whether the paper's tables follow, as reported.
        width: ``table`` only: columns to fit into; None asks the terminal.
        colour: ``table`` only: whether to use the terminal's colours.

    Raises:
        RequestError: If a folder does not exist or holds nothing, no record is of ``task``,
            there is no such format, metric, board or column, or both a task and a metric, a
            board, columns or costs are given.
        RecordError: If there is no valid record, or two folders hold the same run with
            different results.
    """
    if task is not None and metric is not None:
        msg = f"--task {task} shows every metric, {metric!r} among them; leave out --metric"
        raise RequestError(msg)
    if task is not None and (board is not None or columns or costs):
        flag = "--board" if board is not None else "--columns and --cost"
        raise RequestError(f"--task {task} shows its part of every board; leave out {flag}")
    boards = choose_boards(folders, metric, board) if board is not None or columns or costs else []
    if boards:
        tables = _board_tables(boards, columns, costs=costs)
    else:
        tables = _every_table(folders, metric) if task is None else _tables_of(task, folders)
    if with_appendix:
        tables += appendix(records_of(boards or choose_boards(folders, metric)))
    if published:
        tables += published_tables()
    return render(tables, form, width=width, colour=colour)


def choose_boards(
    folders: Sequence[Path | str], metric: str | None = None, number: int | None = None
) -> list[Board]:
    """The boards of results folders, or the one of this number.

    Raises:
        RequestError: If there is no such board; the message lists those that there are.
    """
    boards = split_boards(read_frame(folders)[0], metric)
    if number is None:
        return boards
    if not 1 <= number <= len(boards):
        known = "; ".join(f"{place} {name}" for place, name in enumerate(headings(boards), 1))
        raise RequestError(f"--board {number}: there is none; the boards are: {known}")
    return [boards[number - 1]]


def records_of(boards: Sequence[Board]) -> list[RunRecord]:
    """The records behind some boards, each once."""
    paths = dict.fromkeys(path for board in boards for path in board.runs["path"] if path)
    return [read_record(Path(path)) for path in paths]


def _board_tables(boards: Sequence[Board], columns: Sequence[str], *, costs: bool) -> list[Table]:
    """The boards alone, with the columns that are asked for."""
    pairs = [(board, leaderboard(board, task_groups())) for board in boards]
    if costs:
        pairs = [(board, with_costs(table, board)) for board, table in pairs]
    return chosen(pairs, columns) if columns else [table for _, table in pairs]


def _every_table(folders: Sequence[Path | str], metric: str | None) -> list[Table]:
    benches, broken_benches = read_benches(folders)
    pretrained, broken_others = read_pretrainings(folders)
    others = [*bench_tables(bench_frame(benches)), *pretrain_tables(pretrained)]
    reports, broken_reports = find_reports(folders)
    broken_others += [*broken_benches, *broken_reports]
    paths = [path for path, _ in (*benches, *pretrained, *reports)]
    with_runs = [folder for folder in folders if not without_runs(folder, paths)]
    if paths and not with_runs:
        return [*others, *broken_files(broken_others)]
    frame, broken = read_frame(with_runs)
    boards = split_boards(frame, metric)
    tables = [*leaderboards(boards, task_groups()), *transfer_tables(boards, metric)]
    tables += map(curve_table, learning_curves(boards))
    return [*tables, *others, *failures(frame), *broken_files([*broken, *broken_others])]


def _tables_of(task: str, folders: Sequence[Path | str]) -> list[Table]:
    frame, broken = read_frame(folders)
    tables = task_tables(frame, task)
    return [*tables, *failures(frame[frame["task"] == task]), *broken_files(broken)]
