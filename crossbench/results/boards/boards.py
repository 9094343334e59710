"""Boards: groups of runs that may be compared.

A board is one data source, dimension, kind of tasks, edition, preset, protocol, backbone and init,
with equal settings throughout. By which metric it ranks is a question to it and divides nothing. On
a board, methods whose code, weights or own settings changed are told apart by name; and tasks whose
data or card changed are on all boards of a table.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossbench.errors import unknown_name
from crossbench.evaluation.baselines import BASELINES
from crossbench.evaluation.metrics import METRICS, expected_by_chance
from crossbench.registry.inputs import tasks_in_words
from crossbench.results.boards.contents import contents_of, with_contents
from crossbench.results.boards.draws import with_weights

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from crossbench.results.boards.contents import Contents

#: Name of the row of what a blind guess expects.
CHANCE = "chance"
#: Where data may be from, what says most about medicine first.
SOURCES = ("real", "embedded", "phantom")
#: The setting that bounds the labelled samples, by its dotted key.
LABELLED_LIMIT = "split.max_labelled"
_PLAIN = ["source", "dimension", "tasks", "edition", "fitted_on", "preset", "split_settings"]
_NETWORK = [*_PLAIN, "protocol", "backbone", "init", "fit_settings"]
_SETTINGS = ("split_settings", "fit_settings")
_METHOD_VERSIONS = {"hash_method": "source", "hash_init": "weights", "hash_config": "settings"}
_TASK_VERSIONS = ["hash_task", "hash_data"]
_FOLD = ["seed", "fold"]
_CELL = ["task", *_FOLD]
_SAMPLES = ["hash_data", "hash_split"]


@dataclass(frozen=True, kw_only=True)
class Board:
    """Runs that may be compared.

    Attributes:
        source: ``real``, ``embedded`` or ``phantom``.
        metric: Name of the metric that ranks: the one asked for, else the main metric.
        declared: Main metrics of the tasks, as preset or card declare them, the commonest first.
        title: What may be compared here, in words.
        shared: What the runs have in common, by name; under ``settings`` those that tell this
            board from others.
        runs: One row a run: the frame's columns, ``row`` (the method or plain baseline),
            ``column`` (the task), ``superseded`` (whether its data is), and the columns of
            :func:`crossbench.results.boards.draws.with_weights`. Plain baselines are those on the
            methods' seeds and folds.
        superseded: Number of older records of the same runs that were left out.
        contents: Contents of tasks' data, in all of the table.
    """

    source: str
    metric: str
    declared: tuple[str, ...]
    title: str
    shared: Mapping[str, str]
    runs: pd.DataFrame
    superseded: int
    contents: Contents = field(default_factory=dict, repr=False, compare=False)
    _tables: dict[str, dict[str, pd.DataFrame]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @cached_property
    def methods(self) -> list[str]:
        """Names of the methods."""
        return sorted(self.runs.loc[self.runs["protocol"] != "plain", "row"].unique())

    @cached_property
    def plain(self) -> list[str]:
        """Names of the plain baselines, the plainest first."""
        names = set(self.runs.loc[self.runs["protocol"] == "plain", "row"])
        return sorted(names, key=[*BASELINES, *sorted(names)].index)

    @cached_property
    def beside(self) -> list[str]:
        """Rows beside the methods, never ranked: the plain baselines, and chance."""
        return [*self.plain, CHANCE]

    @cached_property
    def _classes(self) -> dict[str, int]:
        """Numbers of classes by task, where they are known."""
        counts = self.runs.groupby("column")["classes"].max().dropna().astype(int)
        return {str(task): count for task, count in counts.items()}

    def chance(self, metric: str) -> dict[str, float]:
        """What a blind guess expects of a metric, by task; without those where it is unknown."""
        expected = {task: expected_by_chance(metric, n) for task, n in self._classes.items()}
        return {task: value for task, value in expected.items() if value is not None}

    @cached_property
    def labelled_limit(self) -> int | None:
        """The bound on labelled samples under which its runs were; None where there is none."""
        limit: int | None = json.loads(self.runs["split_settings"].iloc[0]).get(LABELLED_LIMIT)
        return limit

    @cached_property
    def tasks(self) -> list[str]:
        """Names of the tasks."""
        return sorted(self.runs["column"].unique())

    @cached_property
    def counted(self) -> list[str]:
        """The tasks that averages include: of several versions, that of the latest run.

        Data in use goes before superseded data, which is counted where there is no other.
        """
        runs = self.runs[["task", "column", "superseded", "started"]].assign(
            current=~self.runs["superseded"]
        )
        latest = runs.sort_values(["current", "started"], kind="stable").groupby("task").tail(1)
        return sorted(latest["column"])

    @cached_property
    def earlier(self) -> list[str]:
        """Earlier versions of tasks, shown each by itself and counted nowhere."""
        return [task for task in self.tasks if task not in self.counted]

    @cached_property
    def folds(self) -> list[tuple[int, int]]:
        """The (seed, fold) pairs that anything was run on: what a full cell has."""
        return sorted(set(zip(self.runs["seed"], self.runs["fold"], strict=True)))

    @cached_property
    def split_folds(self) -> int:
        """Folds of one repetition, whether or not all were run; those found where unknown."""
        settings: dict[str, Any] = json.loads(self.runs["split_settings"].iloc[0])
        return settings.get("split.folds") or len({fold for _, fold in self.folds})

    @cached_property
    def named_runs(self) -> pd.DataFrame:
        """The runs of the counted tasks under the board's names of rows and columns."""
        runs = self.runs[self.runs["column"].isin(self.counted)]
        return runs.assign(method=runs["row"], task=runs["column"])

    def scores(self, metric: str) -> dict[str, pd.DataFrame]:
        """Scores of the finished runs by a metric, or another of their columns, by task.

        Rows are the board's folds, columns the methods, the plain baselines, and chance where it
        is known; NaN where a run failed, is missing, or has no such value.
        """
        if metric not in self._tables:
            done = self.runs.loc[self.runs["status"] == "ok", ["column", "row", *_FOLD, metric]]
            table = done.pivot(index=["column", *_FOLD], columns="row", values=metric)
            rows = [(task, *fold) for task in self.tasks for fold in self.folds]
            table = table.reindex(index=rows, columns=[*self.methods, *self.plain])
            parts = range(0, len(rows), len(self.folds))
            chance = self.chance(metric)
            self._tables[metric] = {
                task: table.iloc[part : part + len(self.folds)].assign(
                    **{CHANCE: chance[task]} if task in chance else {}
                )
                for task, part in zip(self.tasks, parts, strict=True)
            }
        return self._tables[metric]

    def partial(self, metric: str) -> dict[tuple[str, str], list[str]]:
        """Reasons for means over fewer classes than there are, by (task, row)."""
        found: dict[tuple[str, str], list[str]] = {}
        some = self.runs.loc[self.runs["partial"] != "", ["column", "row", "partial"]]
        for task, row, partial in some.itertuples(index=False):
            if reason := json.loads(partial).get(metric):
                found.setdefault((task, row), []).append(reason)
        return found

    def lacking(self, metric: str) -> str:
        """Tasks on which a metric averages fewer classes, with reasons; may be empty."""
        reasons: dict[str, set[str]] = {}
        for (task, _), found in self.partial(metric).items():
            reasons.setdefault(task, set()).update(found)
        return "; ".join(f"{task}: {', '.join(sorted(reasons[task]))}" for task in sorted(reasons))

    def is_paired(self, task: str, rows: Sequence[str]) -> bool:
        """Whether the rows' finished runs of a task had the same samples in each fold."""
        tables = (self.scores(name)[task][list(rows)].to_numpy() for name in _SAMPLES)
        return all((table == table[:, :1]).all() for table in tables)

    def task_runs(self, task: str, metric: str) -> pd.DataFrame:
        """The runs of one task, with no more than the statistics ask of them.

        Columns: ``task method seed fold status score``, the last of ``metric``, and
        ``hash_data hash_split``. A board has many more, and selecting rows copies them all.
        """
        columns = {"column": "task", "row": "method"}
        columns |= {name: name for name in [*_FOLD, "status", *_SAMPLES]} | {metric: "score"}
        here = self.runs["column"] == task
        return self.runs.loc[here, list(columns)].set_axis([*columns.values()], axis="columns")


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
    cells = frame.loc[index, [*_FOLD, "started"]].assign(row=row, column=columns[index])
    cells = cells.sort_values("started", kind="stable")
    latest = cells.drop_duplicates(["row", "column", *_FOLD], keep="last")
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
