"""Methods by tasks: the score in each cell, shaded by how far it has come on its task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.columns import NOT_ABOVE, PARTIAL, TIED, task_column
from crossbench.results.boards.standings import higher_is_better, ties_with_best
from crossbench.results.boards.table import BEST, NOTHING
from crossbench.results.boards.tables import PHANTOM, ranked
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, tooltip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.results.boards.board import Board
    from crossbench.results.boards.columns import Column
    from crossbench.results.boards.standings import Standing
    from crossbench.results.boards.table import Cell
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

MARKS = {
    BEST: "best of its task",
    TIED: "not shown to differ from it",
    NOT_ABOVE: "no better than the majority class",
    PARTIAL: "in some runs a mean over fewer classes",
}
"""Signs in cells, and what they mean."""

_FEW = 5  # columns whose names stand level on a narrow page
_CELL, _LINES = 34, 46  # pixels of a cell of one line and of two
# On a narrow page cells are this wide or less; they show two digits in small print then.
_NARROW = 44
_FLOOR, _TOP = "majority class", "best score"


def heat_map(
    board: Board, *, rows: Sequence[Standing] | None = None, theme: Theme = "light"
) -> Figure:
    """Scores by method and task, the methods in the order of the standings.

    A cell's shade is the share of the way from the task's majority class (without one, from its
    worst row) to its best method, so that tasks of different difficulty compare. Grey cells have no
    score and say why. What there is more of, methods or tasks, stands below each other.

    Args:
        board: The board.
        rows: Its standings, where they are known.
        theme: Light or dark.
    """
    names = [row.name for row in (ranked(board) if rows is None else rows)]
    frame = heat_map_frame(board, names)
    shades = [marks.GREY if pd.isna(each) else marks.shade(theme, each) for each in frame["shade"]]
    frame["ink"] = [marks.ink_on(each) for each in shades]
    down, across = ("task", "name") if len(board.tasks) > len(names) else ("name", "task")
    order = {"name": names, "task": board.tasks}
    metric = title_of(board.metric)
    signs = [
        f"{sign} {MARKS[sign]}"
        for sign in MARKS
        if frame["mark"].str.contains(sign, regex=False).any()
    ]
    return compose(
        frame,
        _layers(board, order, down, across, theme),
        name="heat-map",
        title=f"{metric} by method and task",
        subtitle=[PHANTOM] * (board.source == "phantom") + [" · ".join(signs)],
        alt=_in_words(frame, board),
        height=marks.rows_height(len(order[down]), _LINES if frame["detail"].any() else _CELL),
        theme=theme,
    )


def heat_map_frame(board: Board, names: Sequence[str]) -> pd.DataFrame:
    """One row a method and task.

    Columns: ``name task``, ``score low high`` (NaN where there is none), ``text`` (the score as
    the board prints it, or why there is none), ``mark`` (signs of :data:`MARKS`), ``detail``,
    ``label`` and ``short`` (what a cell shows, wide or narrow) and ``shade`` in [0, 1] (NaN where
    there is no score).
    """
    ties = ties_with_best(board, board.metric)
    entries = []
    for task in board.tasks:
        column = task_column(board, task, board.metric, ties[task])
        shades = _shades(column, board)
        for name in names:
            cell = column.get(name, NOTHING)
            entries.append(
                {"name": name, "task": task} | _entry(cell) | {"shade": shades.get(name)}
            )
    return pd.DataFrame(entries).astype(dict.fromkeys(("score", "low", "high", "shade"), float))


def _entry(cell: Cell) -> dict[str, Any]:
    mark = BEST * cell.best + cell.mark
    score = cell.text if cell.value is None else f"{cell.value:.3f}"
    return {
        "score": cell.value,
        "low": cell.low,
        "high": cell.high,
        "text": cell.text,
        "mark": mark,
        "detail": cell.detail,
        "label": "\n".join(filter(None, [score + mark, cell.detail.partition(",")[0]])),
        "short": _short(cell) + mark,
    }


def _short(cell: Cell) -> str:
    """What a narrow cell shows: two digits, or a sign for no score."""
    if cell.value is None:
        return "–" if cell.text == NOTHING.text else "×"
    return f"{cell.value:.2f}".removeprefix("0")


def _shades(column: Column, board: Board) -> dict[str, float]:
    """Share of the way from the majority class to the best, by name of the row."""
    sign = 1 if higher_is_better(board.metric) else -1
    values = {name: sign * cell.value for name, cell in column.items() if cell.value is not None}
    floor = values.get("majority", min(values.values(), default=0.0))
    reach = max(values.values(), default=0.0) - floor
    return {
        name: min(max((value - floor) / reach, 0.0), 1.0) if reach > 0 else 0.0
        for name, value in values.items()
    }


def _in_words(frame: pd.DataFrame, board: Board) -> str:
    """The best of each task, for those who do not see it."""
    best = frame[frame["mark"].str.contains(BEST, regex=False)]
    said = [f"{row.task}: {row.name} {row.score:.3f}" for row in best.itertuples(index=False)]
    lost = int(frame["score"].isna().sum())
    without = f" {lost} cells have no score." if lost else ""
    return (
        f"{title_of(board.metric)} by method and task. Best: {'; '.join(said) or 'none'}.{without}"
    )


def _layers(
    board: Board, order: dict[str, list[str]], down: str, across: str, theme: Theme
) -> list[dict[str, Any]]:
    place = {
        "y": _names(down, order[down]),
        "x": _names(across, order[across], across=True),
    }
    shown = tooltip(name="", task="", text="", low=".3f", high=".3f", mark="", detail="")
    shade = field(
        "shade",
        scale={
            "range": list(marks.PAGES[theme].shades),
            "domain": [0, 1 / 3, 2 / 3, 1],
            "interpolate": "rgb",
        },
        legend=_legend(board),
    )
    tile = {"type": "rect", "stroke": marks.PAGES[theme].paper, "strokeWidth": 2, "cornerRadius": 4}
    narrow = f"width < {_NARROW * len(order[across])}"
    size = {"expr": f"{narrow} ? 10 : 12"}
    label = {"type": "text", "lineBreak": "\n", "lineHeight": 13, "fontSize": size}
    words = {"calculate": f"{narrow} ? datum.short : datum.label", "as": "words"}
    return [
        {
            "transform": [{"filter": "!isValid(datum.shade)"}],
            "mark": tile | {"color": marks.GREY},
            "encoding": place | {"tooltip": shown},
        },
        {
            "transform": [{"filter": "isValid(datum.shade)"}],
            "mark": tile,
            "encoding": place | {"color": shade, "tooltip": shown},
        },
        *(
            {
                "transform": [{"filter": f"datum.ink === '{ink}'"}, words],
                "mark": label | {"color": ink},
                "encoding": place | {"text": field("words", "nominal")},
            }
            for ink in marks.INKS
        ),
    ]


def _names(column: str, names: Sequence[str], *, across: bool = False) -> dict[str, Any]:
    upright = across and len(names) > _FEW
    axis = marks.whole_names(names, across=across, upright=upright)
    axis |= {"ticks": False, "domain": False, "orient": "top" if across else "left"}
    if across and not upright:
        above = marks.whole_height(names) - marks.LINE_HEIGHT
        axis |= {"labelPadding": above + 4, "labelLineHeight": marks.LINE_HEIGHT}
    return field(column, "nominal", scale={"domain": list(names)}, title=None, axis=axis)


def _legend(board: Board) -> dict[str, Any]:
    floor = _FLOOR if "majority" in board.plain else "worst score"
    words = f"datum.value ? '{_TOP}' : '{floor}'"
    return marks.gradient([0, 1], labelExpr=words, labelLimit=0)
