"""Contents of tasks' data: which one is in use, which are superseded, in words.

A record is pinned to the content hash of the data it was made on. Of several contents of one task
that is in use which the latest run of a table was made on, whatever it was a run of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pandas as pd

    from crossbench.results.boards.board import Board

_UNKNOWN = "unknown"

SUPERSEDED = "superseded data"
IN_USE = "data in use"


@dataclass(frozen=True, kw_only=True)
class Content:
    """One content of a task's data, as the records of a table tell of it.

    Attributes:
        data: First eight digits of the content hash; ``unknown`` where no record says it.
        origin: How it was imported and grouped, in words; empty where it was neither.
        latest: Time of the latest run on it.
        newer: The content that supersedes it; empty where it is in use.
    """

    data: str
    origin: str = ""
    latest: str = ""
    newer: str = ""

    def __str__(self) -> str:
        return f"{self.data} ({self.origin})" if self.origin else self.data


#: Contents by source of data and task, the one in use first, then the later ones first.
Contents: TypeAlias = "Mapping[tuple[str, str], tuple[Content, ...]]"


def contents_of(frame: pd.DataFrame) -> Contents:
    """The contents that the records of a table were made on.

    Args:
        frame: As from :func:`crossbench.results.records.loading.load_results`; whole, for what is
            in use is not to depend on what is looked at.
    """
    if frame.empty:
        return {}
    columns = ["source", "task", "hash_data", "data_origin", "started"]
    runs = frame[columns].sort_values("started", kind="stable", ascending=False)
    first = runs.drop_duplicates(["source", "task", "hash_data"])
    found: dict[tuple[str, str], list[Content]] = {}
    for source, task, data, origin, latest in first.itertuples(index=False):
        known = found.setdefault((source, task), [])
        known.append(
            Content(
                data=data or _UNKNOWN,
                origin=origin,
                latest=latest[:10],
                newer=known[0].data if known else "",
            )
        )
    return {key: tuple(each) for key, each in found.items()}


def content_of(contents: Contents, source: str, task: str, data: str) -> Content:
    """The content with a hash; one of its own where the table has none."""
    known = contents.get((source, task), ())
    wanted = data or _UNKNOWN
    return next((each for each in known if each.data == wanted), Content(data=wanted))


def with_contents(runs: pd.DataFrame, source: str, contents: Contents) -> pd.DataFrame:
    """Runs with ``superseded``: whether the data they were made on is."""
    newer = [
        bool(content_of(contents, source, task, data).newer)
        for task, data in zip(runs["task"], runs["hash_data"], strict=True)
    ]
    return runs.assign(superseded=newer)


def with_data(frame: pd.DataFrame) -> pd.DataFrame:
    """Records with ``data``: which data they were made on, where a task has several contents."""
    contents = contents_of(frame)
    said = []
    for source, task, data in zip(frame["source"], frame["task"], frame["hash_data"], strict=True):
        content = content_of(contents, source, task, data)
        which = SUPERSEDED if content.newer else IN_USE
        said.append(f"{which} {content.data}" if len(contents[source, task]) > 1 else "")
    return frame.assign(data=said)


# -------------------------------------------------------------------------- in words


def content_detail(board: Board, column: str) -> str:
    """Whether a column is of data in use or superseded; empty where there is one content alone."""
    known = _several(board, _task_of(board, column))
    if not known:
        return ""
    own = board.runs.loc[board.runs["column"] == column, "superseded"]
    return SUPERSEDED if own.iloc[0] else IN_USE


def content_notes(board: Board, columns: Iterable[str] | None = None) -> list[str]:
    """What is in use and what is superseded, of each task of some columns with several contents."""
    shown = board.tasks if columns is None else columns
    tasks = dict.fromkeys(_task_of(board, column) for column in shown)
    return [note for task in tasks for note in _task_notes(board, task)]


def import_note(board: Board) -> list[str]:
    """The imports that tasks with one content were run on, which the records are pinned to."""
    every = {task: board.contents.get((board.source, task), ()) for task in _tasks(board)}
    alone = {task: known[0].origin for task, known in every.items() if len(known) == 1}
    said = [f"{task} {origin}" for task, origin in alone.items() if origin]
    return [f"The data of {'; '.join(said)}."] if said else []


def _task_notes(board: Board, task: str) -> Iterator[str]:
    known = _several(board, task)
    if not known:
        return
    in_use, *others = known
    older = ", ".join(f"{each}, last run {each.latest}" for each in others)
    said = f"Data of {task}: {in_use} is in use, last run {in_use.latest}; superseded: {older}"
    yield f"{said}. Runs on different data are never compared or averaged."
    here = board.runs.loc[board.runs["task"] == task, "superseded"]
    if len(here) and here.all():
        yield (
            f"All runs of {task} on this board are on superseded data; to have them on the data in "
            f"use: {run_again(board, task)}."
        )


def run_again(board: Board, task: str, method: str = "all") -> str:
    """The command that makes a board's runs of a task on the data in use."""
    chosen = {"preset": board.shared.get("preset"), "protocol": board.shared.get("protocol")}
    chosen |= {name: board.shared.get(name) for name in ("backbone", "init")}
    usual = {"preset": "standard", "backbone": "resnet18", "init": "random"}
    options = [
        f" --{name} {value}" for name, value in chosen.items() if value and value != usual.get(name)
    ]
    return f"crossbench run --task {task} --method {method}{''.join(options)}"


def apart(board: Board, methods: tuple[str, str]) -> dict[str, str]:
    """Tasks on which two methods were run on different data, each with reason and remedy.

    A task is compared on the board's counted column alone. Where one method has runs there and the
    other on other contents alone, or both have none there, they are not compared.
    """
    found = {}
    for task in _tasks(board):
        runs = board.runs[board.runs["task"] == task]
        have = {name: set(runs.loc[runs["row"] == name, "hash_data"]) for name in methods}
        counted = set(runs.loc[runs["column"].isin(board.counted), "hash_data"])
        lacking = [name for name in methods if have[name] and not have[name] & counted]
        if lacking and all(have.values()):
            found[task] = _apart(board, task, have, lacking)
    return found


def _apart(board: Board, task: str, have: Mapping[str, set[str]], lacking: list[str]) -> str:
    words = " and ".join(
        f"{name} on {', '.join(_said(board, task, data) for data in sorted(have[name]))}"
        for name in have
    )
    again = " and ".join(run_again(board, task, _method_of(board, name)) for name in lacking)
    return f"{task}: {words}; runs on different data are never compared. Run again: {again}"


def _said(board: Board, task: str, data: str) -> str:
    content = content_of(board.contents, board.source, task, data)
    return f"data {content.data} ({'superseded' if content.newer else 'in use'})"


def _method_of(board: Board, row: str) -> str:
    return str(board.runs.loc[board.runs["row"] == row, "method"].iloc[0])


def _several(board: Board, task: str) -> tuple[Content, ...]:
    known = board.contents.get((board.source, task), ())
    return known if len(known) > 1 else ()


def _tasks(board: Board) -> list[Any]:
    return sorted(board.runs["task"].unique())


def _task_of(board: Board, column: str) -> str:
    return str(board.runs.loc[board.runs["column"] == column, "task"].iloc[0])
