"""Learning curves: scores against the number of labelled samples, a line for each start.

Boards never mix numbers of labelled samples or inits, so this is where they meet: the runs of one
task under one preset and protocol that differ in ``split.max_labelled``, by method and init.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossbench.errors import StatisticsError
from crossbench.evaluation.metrics import title_of
from crossbench.evaluation.statistics import Estimate, corrected_mean
from crossbench.results.boards.board import LABELLED_LIMIT
from crossbench.results.boards.draws import is_one_random_draw
from crossbench.results.boards.table import Cell, Header, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from crossbench.results.boards.board import Board

_SHARED = ("source", "dimension", "tasks", "edition", "fitted_on", "preset", "protocol")
_NAMED = ("method", "init", "backbone", "fit_settings")  # a line's parts, of which few are said


@dataclass(frozen=True, kw_only=True)
class Point:
    """The score at one number of labelled samples.

    Attributes:
        limit: The bound that was set; None where all are labelled.
        labelled: Training and validation samples, the mean over the runs.
        score: Mean over the runs with its corrected interval; without one from a single run.
        runs: Finished runs.
    """

    limit: int | None
    labelled: float
    score: Estimate
    runs: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """The points of one method from one init, by number of labelled samples.

    Attributes:
        name: Method and init, and what else tells lines of the figure apart.
        points: The fewest samples first.
        one_draw: Whether the runs of a point share one draw of random weights.
        plain: Whether it is a plain baseline's, fitted to the same samples without a network.
    """

    name: str
    points: tuple[Point, ...]
    one_draw: bool
    plain: bool = False


@dataclass(frozen=True, kw_only=True)
class Curves:
    """The learning curves of one task under one protocol.

    Attributes:
        title: What they are of, in words.
        task: Its name.
        protocol: Under which the networks were fitted.
        metric: Of the scores.
        lines: By method, then init; those of plain baselines last.
    """

    title: str
    task: str
    protocol: str
    metric: str
    lines: tuple[Line, ...]


def learning_curves(boards: Sequence[Board]) -> list[Curves]:
    """The curves for which there are two numbers of labelled samples or more.

    Args:
        boards: As from :func:`crossbench.results.boards.boards.split_boards`.
    """
    groups: dict[tuple[str, ...], list[Board]] = defaultdict(list)
    for board in boards:
        if board.methods:
            shared = json.loads(board.runs["split_settings"].iloc[0])
            shared.pop(LABELLED_LIMIT, None)
            key = [str(board.shared.get(name, "")) for name in _SHARED]
            groups[*key, json.dumps(shared, sort_keys=True)].append(board)
    return [
        _curves(group, task)
        for group in groups.values()
        for task in sorted({task for board in group for task in board.counted})
        if len({board.labelled_limit for board in group if task in board.counted}) > 1
    ]


def curve_table(curves: Curves) -> Table:
    """A row a line, a column a number of labelled samples."""
    limits = {point.limit for line in curves.lines for point in line.points}
    most = max(point.runs for line in curves.lines for point in line.points)
    columns = {
        _header(limit, [line.points for line in curves.lines]): {
            Header(line.name): _cell(point, most)
            for line in curves.lines
            for point in line.points
            if point.limit == limit
        }
        for limit in sorted(limits, key=lambda each: (each is None, each))  # all of them last
    }
    drawn = [line.name for line in curves.lines if line.one_draw]
    notes = (
        "In brackets: 95 % interval, corrected for the overlap of training parts.",
        "Lines are compared by their paired runs, as in the table of gains, not by intervals.",
        *([f"One draw of random weights a point: {', '.join(drawn)}."] if drawn else []),
    )
    return Table.of_columns(
        columns,
        title=curves.title,
        subtitle=f"{title_of(curves.metric)} by number of labelled samples, means over {most} runs",
        axes=("method, from", "labelled"),
        notes=notes,
    )


def _header(limit: int | None, lines: Iterable[Sequence[Point]]) -> Header:
    counts = [point.labelled for points in lines for point in points if point.limit == limit]
    name = str(limit) if limit is not None else f"{sum(counts) / len(counts):.0f}"
    return Header(name, detail="" if limit is not None else "all")


def _cell(point: Point, most: int) -> Cell:
    score = point.score
    interval = "" if score.low is None else f" ({score.low:.2f} to {score.high:.2f})"
    return Cell(
        text=f"{score.value:.3f}{interval}",
        detail="" if point.runs == most else f"{point.runs}/{most} runs",
        value=score.value,
        low=score.low,
        high=score.high,
        count=point.runs,
        complete=point.runs == most,
    )


def _curves(boards: Sequence[Board], task: str) -> Curves:
    first = next(board for board in boards if task in board.counted)
    found: dict[tuple[str, ...], dict[int | None, Point]] = defaultdict(dict)
    drawn: set[tuple[str, ...]] = set()
    for board in boards:
        for method in [*board.methods, *board.plain] if task in board.counted else ():
            own = board.runs[(board.runs["row"] == method) & (board.runs["column"] == task)]
            done = own[own["status"] == "ok"].dropna(subset=[first.metric])
            if len(done):
                key = (method, *(str(done[name].iloc[0]) for name in _NAMED[1:]))
                # Plain baselines stand on the boards of all inits.
                found[key].setdefault(board.labelled_limit, _point(board, done, first.metric))
                drawn |= {key} if is_one_random_draw(own) else set()
    plain = {key: key[0] in first.plain for key in found}
    names = _names([key for key in found if not plain[key]])
    shared = first.shared
    return Curves(
        title=f"Labelled samples and score on {task} · {first.source} data · preset "
        f"{shared['preset']} · {shared['protocol']}",
        task=task,
        protocol=shared["protocol"],
        metric=first.metric,
        lines=tuple(
            Line(
                name=names.get(key, key[0]),
                points=tuple(sorted(points.values(), key=lambda point: point.labelled)),
                one_draw=key in drawn,
                plain=plain[key],
            )
            for key, points in sorted(found.items(), key=lambda each: (plain[each[0]], each[0]))
        ),
    )


def _point(board: Board, runs: pd.DataFrame, metric: str) -> Point:
    scores = runs[metric].to_numpy()
    try:
        score = corrected_mean(scores, folds=board.split_folds)
    except StatisticsError:  # of one run alone
        score = Estimate(value=float(scores.mean()))
    labelled = (runs["samples_train"] + runs["samples_val"]).mean()
    return Point(limit=board.labelled_limit, labelled=float(labelled), score=score, runs=len(runs))


def _names(keys: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], str]:
    """Method and init, and of backbone and settings what differs between the lines."""
    settings: dict[Any, dict[str, Any]] = {key: json.loads(key[3] or "{}") for key in keys}
    differing = {
        name
        for own in settings.values()
        for name in own
        if len({str(each.get(name)) for each in settings.values()}) > 1
    }
    backbones = len({key[2] for key in keys}) > 1
    names = {}
    for key in keys:
        own = settings[key]
        more = [key[2]] * backbones + [f"{n}={own[n]}" for n in sorted(differing & own.keys())]
        names[key] = ", ".join([f"{key[0]} from {key[1]}", *more])
    return names
