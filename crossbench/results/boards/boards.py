"""Division of runs into boards: groups that may be compared.

A board is one data source, dimension, kind of tasks, edition, preset, protocol, backbone and init,
with equal settings throughout. By which metric it ranks is a question to it and divides nothing. On
a board, methods whose code, weights or own settings changed are told apart by name; and tasks whose
data or card changed are on all boards of a table.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.errors import unknown_name
from crossbench.evaluation.metrics import METRICS
from crossbench.registry.inputs import tasks_in_words
from crossbench.results.boards.board import FOLD, Board
from crossbench.results.boards.contents import contents_of, with_contents
from crossbench.results.boards.draws import with_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from crossbench.results.boards.contents import Contents

#: Where data may be from, what says most about medicine first.
SOURCES = ("real", "embedded", "phantom")
_PLAIN = ["source", "dimension", "tasks", "edition", "fitted_on", "preset", "split_settings"]
_NETWORK = [*_PLAIN, "protocol", "backbone", "init", "fit_settings"]
_SETTINGS = ("split_settings", "fit_settings")
_METHOD_VERSIONS = {"hash_method": "source", "hash_init": "weights", "hash_config": "settings"}
_TASK_VERSIONS = ["hash_task", "hash_data"]
_CELL = ["task", *FOLD]


def split_boards(
    frame: pd.DataFrame, metric: str | None = None, contents: Contents | None = None
) -> list[Board]:
    """The boards of a frame: real data first, phantoms last, 2D before 3D.

    Args:
        frame: As from :func:`crossbench.results.records.loading.load_results`.
        metric: What every board ranks by; each board's main metric where None.
        contents: Contents of tasks' data in all results, where the frame is a part of them.

    Raises:
        RequestError: If no metric has this name.
    """
    if metric is not None and metric not in METRICS:
        raise unknown_name("metric", metric, METRICS)
    if frame.empty:  # without columns, where there was no record
        return []
    frame = frame.reset_index(drop=True).assign(tasks=_tasks(frame))
    contents = contents_of(frame) if contents is None else contents
    columns = _columns(frame, contents)
    keys = frame[[*_NETWORK, *_CELL]]  # a frame of runs has many columns: copy few of them
    is_plain = keys["protocol"] == "plain"
    plain, networks = keys[is_plain], keys[~is_plain]
    # Runs with the same number agree in what plain baselines have too: with the cell, or without.
    cells, kinds = (keys.groupby(by).ngroup() for by in ([*_PLAIN, *_CELL], _PLAIN))
    groups = []
    for values, runs in networks.groupby(_NETWORK):
        same = cells[plain.index].isin(cells[runs.index])
        groups.append((dict(zip(_NETWORK, values, strict=True)), [*runs.index, *plain.index[same]]))
    alone = plain[~kinds[plain.index].isin(kinds[networks.index])]
    for values, runs in alone.groupby(_PLAIN):
        groups.append((dict(zip(_PLAIN, values, strict=True)), [*runs.index]))

    names = [
        {key: value for key, value in what.items() if key not in _SETTINGS} for what, _ in groups
    ]
    settings = [_settings(what) for what, _ in groups]
    boards = []
    for (_, index), name, own in zip(groups, names, settings, strict=True):
        others = [each for each, its in zip(settings, names, strict=True) if its == name]
        board = _board(frame, columns, index, name, _difference(own, others), metric)
        runs = with_contents(board.runs, board.source, contents)
        boards.append(replace(board, runs=runs, contents=contents))
    return sorted(boards, key=lambda board: (SOURCES.index(board.source), board.title))


def _tasks(frame: pd.DataFrame) -> list[str]:
    """What each run's tasks are called, which is what boards are divided by."""
    of_kind = zip(frame["kind"], frame["dimension"], strict=True)
    return [tasks_in_words(kind, dimension) for kind, dimension in of_kind]


def _settings(what: Mapping[str, Any]) -> dict[str, Any]:
    """Both groups of settings as one mapping of dotted keys."""
    merged: dict[str, Any] = {}
    for column in _SETTINGS:
        merged |= json.loads(what.get(column, "{}"))
    return merged


def _difference(own: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """The settings that differ among boards of one name, with their values here."""
    keys = sorted(set().union(*others))
    differing = [key for key in keys if any(each.get(key) != own.get(key) for each in others)]
    return ", ".join(f"{key} = {json.dumps(own.get(key))}" for key in differing)


def main_metrics(runs: pd.DataFrame) -> tuple[str, ...]:
    """The main metrics that runs declare, that of most tasks first, of equals by name."""
    declared = runs.drop_duplicates(["task", "metric"]).groupby("metric").size()
    return tuple(sorted(declared.index, key=lambda name: (-declared[name], name)))


def _board(
    frame: pd.DataFrame,
    columns: pd.Series[Any],
    index: list[int],
    name: Mapping[str, Any],
    difference: str,
    metric: str | None,
) -> Board:
    """The board of the runs at these places of the frame."""
    row = _told_apart(frame.loc[index, ["method", *_METHOD_VERSIONS]], "method", _METHOD_VERSIONS)
    cells = frame.loc[index, [*FOLD, "started"]].assign(row=row, column=columns[index])
    cells = cells.sort_values("started", kind="stable")
    latest = cells.drop_duplicates(["row", "column", *FOLD], keep="last")
    declared = main_metrics(frame.loc[latest.index, ["task", "metric"]])
    return Board(
        source=name["source"],
        metric=metric or declared[0],
        declared=declared,
        title=_title(name, difference),
        shared={key: str(value) for key, value in name.items()} | {"settings": difference},
        runs=with_weights(
            frame.loc[latest.index].assign(row=latest["row"], column=latest["column"])
        ),
        superseded=len(cells) - len(latest),
    )


def _title(name: Mapping[str, Any], difference: str) -> str:
    parts = [tasks_of(name), f"{name['source']} data"]
    parts.append(f"preset {name['preset']}")
    if "init" in name:
        untrained = " (untrained backbone)" if name["init"] == "random" else ""
        parts += [name["protocol"], f"{name['backbone']}, init {name['init']}{untrained}"]
    return " · ".join([*parts, difference] if difference else parts)


def tasks_of(shared: Mapping[str, str]) -> str:
    """The tasks of a board in words, by what its runs have in common: ``2D tasks of 64 pixels``."""
    edition = f" of {shared['edition']}" if shared["edition"] else ""
    fitted = f" fitted on {shared['fitted_on']}" if shared["fitted_on"] else ""
    return f"{shared['tasks']}{edition}{fitted}"


def _columns(frame: pd.DataFrame, contents: Contents) -> pd.Series[Any]:
    """Names of the tasks' columns, which all boards of one source of data share."""
    labels = frame["task"].astype(object)
    for source in frame["source"].unique():
        runs = frame.loc[frame["source"] == source, ["task", *_TASK_VERSIONS]]
        own = _told_apart(runs, "task", {"hash_task": "card"})
        several = [task for (of, task) in contents if of == source and len(contents[of, task]) > 1]
        told = runs["task"].isin(several)
        hashes = runs.loc[told, "hash_data"].replace("", "unknown")
        own[told] = own[told] + " [data " + hashes + "]"
        labels[own.index] = own
    return labels


def _told_apart(runs: pd.DataFrame, name: str, versions: Mapping[str, str]) -> pd.Series[Any]:
    """The names, with a short hash where one name has several versions."""
    labels = runs[name].astype(object)
    for column, word in versions.items():
        versions_of = runs.groupby(name)[column].nunique()
        several = runs[name].isin(versions_of.index[versions_of > 1])
        if several.any():
            hashes = runs.loc[several, column].replace("", "unknown")
            labels[several] = labels[several] + f" [{word} " + hashes + "]"
    return labels
