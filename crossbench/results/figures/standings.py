"""The standings, drawn: mean ranks with their intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.metrics import title_of
from crossbench.evaluation.statistics import MIN_TASKS
from crossbench.results.boards.standings import means_of
from crossbench.results.boards.tables import ranked
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, names_axis, tooltip
from crossbench.results.figures.forest import dots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.evaluation.statistics import Estimate
    from crossbench.results.boards.board import Board
    from crossbench.results.boards.standings import Standing
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_MOST_RANKS = 12  # on the axis
_BELOW = 24  # pixels below a name, for its mean and a gap


def standings(
    board: Board, *, rows: Sequence[Standing] | None = None, theme: Theme = "light"
) -> Figure:
    """Mean ranks with 95 % intervals, best first; below a name is its mean score.

    Plain baselines and chance are not ranked and have their means alone. Where fewer than two
    methods can be ranked, means are drawn in place of ranks.

    Args:
        board: The board.
        rows: Its standings, where they are known.
        theme: Light or dark.
    """
    rows = ranked(board) if rows is None else rows
    frame = standings_frame(board, rows)
    tasks, metric = len(board.counted), title_of(board.metric)
    what = "rank" if tasks > 1 and frame["rank"].notna().any() else "mean"
    drawn = "mean rank" if what == "rank" else metric.lower()
    where = f"over {tasks} tasks" if tasks > 1 else f"on {board.counted[0]}"
    return compose(
        frame,
        _layers(frame, board, what),
        name="standings",
        title=f"Standings: {drawn} {where}",
        subtitle=[f"Below each name: mean {metric.lower()}.", _intervals(frame, what, tasks)],
        alt=_in_words(frame, f"{drawn} {where}", what),
        height=marks.rows_height(len(frame), marks.whole_height(list(frame["name"])) + _BELOW),
        theme=theme,
    )


def standings_frame(board: Board, rows: Sequence[Standing]) -> pd.DataFrame:
    """The standings as a frame, one row each in their order.

    Columns: ``name plain``, ``rank rank_low rank_high``, ``mean mean_low mean_high`` (over the runs
    where there is one task), ``tasks total place note``; a number that is not there is NaN.
    """
    means = means_of(board, rows)
    return pd.DataFrame(
        {
            "name": row.name,
            "plain": row.plain,
            **_numbers("rank", row.rank),
            **_numbers("mean", means.get(row.name, row.mean)),
            "tasks": row.tasks,
            "total": row.total,
            "place": row.beside_first or "",
            "note": row.note,
        }
        for row in rows
    )


def _numbers(name: str, value: Estimate | None) -> dict[str, float]:
    ends = (None, None, None) if value is None else (value.value, value.low, value.high)
    names = (name, f"{name}_low", f"{name}_high")
    return {key: float("nan") if end is None else end for key, end in zip(names, ends, strict=True)}


def _intervals(frame: pd.DataFrame, what: str, tasks: int) -> str:
    if frame[f"{what}_low"].isna().all():
        return f"No intervals: over tasks they take {MIN_TASKS}, on one several runs."
    kind = "of a mean within bounds" if what == "rank" else "tasks resampled"
    return f"Bars: 95 % intervals ({kind if tasks > 1 else 'over the runs'})."


def _in_words(frame: pd.DataFrame, drawn: str, what: str) -> str:
    """The order, for those who do not see it."""
    first = frame[frame[what].notna()]
    digits = 2 if what == "rank" else 3
    said = [
        f"{name} {value:.{digits}f}" for name, value in zip(first["name"], first[what], strict=True)
    ]
    others = frame[frame[what].isna() & frame["mean"].notna()]
    more = [f"{name} {mean:.3f}" for name, mean in zip(others["name"], others["mean"], strict=True)]
    sentences = [f"{drawn.capitalize()}: {', '.join(said) or 'none'}."]
    return " ".join([*sentences, *[f"Not ranked, mean score: {', '.join(more)}."] * bool(more)])


def _layers(frame: pd.DataFrame, board: Board, what: str) -> list[dict[str, Any]]:
    names = list(frame["name"])
    below = {
        name: f"{mean:.3f}"
        for name, mean in zip(names, frame["mean"], strict=True)
        if pd.notna(mean)
    }
    y = names_axis("name", names, below)
    x = {"scale": _scale(frame, what), "axis": _axis(frame, board, what)}
    look = marks.look("name", board.methods, board.beside)
    words = {"name": "", "rank": ".2f", "mean": ".3f", "tasks": "d", "note": ""}
    low, high = f"{what}_low", f"{what}_high"
    shown = tooltip(**words, **{low: ".3f", high: ".3f"})
    return [
        *dots({"y": y}, (what, low, high), look, axis=x, words=shown),
        {
            "transform": [{"filter": f"!isValid(datum.{what})"}],
            "mark": {"type": "text", "align": "left", "x": 24, "color": marks.GREY},
            "encoding": {"y": y, "text": {"value": "not ranked"}, "tooltip": shown},
        },
    ]


def _scale(frame: pd.DataFrame, what: str) -> dict[str, Any]:
    if what == "rank":
        return {"domain": [1, int(frame["rank"].count())], "nice": False, "padding": 16}
    return marks.scores() | {"padding": 16}


def _axis(frame: pd.DataFrame, board: Board, what: str) -> dict[str, Any]:
    if what == "mean":
        return marks.figures_axis(title_of(board.metric))
    count = int(frame["rank"].count())
    ranks = list(range(1, count + 1, -(-count // _MOST_RANKS)))
    return marks.figures_axis("mean rank (1 is best)", values=ranks, format="d")
