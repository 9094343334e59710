"""A board: runs that may be compared, and their scores by task, row and fold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from crossbench.evaluation.baselines import BASELINES
from crossbench.evaluation.metrics import expected_by_chance

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from crossbench.results.boards.contents import Contents

#: Name of the row of what a blind guess expects.
CHANCE = "chance"
#: The setting that bounds the labelled samples, by its dotted key.
LABELLED_LIMIT = "split.max_labelled"
#: Columns that tell the runs of a method on a task apart.
FOLD = ["seed", "fold"]
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
            done = self.runs.loc[self.runs["status"] == "ok", ["column", "row", *FOLD, metric]]
            table = done.pivot(index=["column", *FOLD], columns="row", values=metric)
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
        columns |= {name: name for name in [*FOLD, "status", *_SAMPLES]} | {metric: "score"}
        here = self.runs["column"] == task
        return self.runs.loc[here, list(columns)].set_axis([*columns.values()], axis="columns")
