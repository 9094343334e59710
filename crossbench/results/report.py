"""What ``crossbench report`` prints: boards, then what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.results.frame import to_frame
from crossbench.results.render import render
from crossbench.results.store import read_folders
from crossbench.results.tables import broken_files, failures, leaderboards, task_tables

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def report(
    folders: Sequence[Path | str],
    form: str = "table",
    *,
    task: str | None = None,
    width: int | None = None,
    colour: bool = False,
) -> str:
    """The results in one or more folders, in words and figures.

    Args:
        folders: Results folders, read together.
        form: One of :data:`crossbench.results.render.FORMATS`.
        task: None for leaderboards over tasks, or a task to show every metric of.
        width: ``table`` only: columns to fit into; None asks the terminal.
        colour: ``table`` only: whether to use the terminal's colours.

    Raises:
        RequestError: If a folder does not exist or holds nothing, no record is of ``task``,
            or there is no such format.
        RecordError: If there is no valid record, or two folders hold the same run with
            different results.
    """
    found, broken = read_folders(folders)
    frame = to_frame(found)
    if task is None:
        tables = leaderboards(frame)
    else:
        tables = task_tables(frame, task)
        frame = frame[frame["task"] == task]
    tables += [*failures(frame), *broken_files(broken)]
    return render(tables, form, width=width, colour=colour)
