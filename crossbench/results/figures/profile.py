"""One method over its tasks: scores with intervals, beside the majority class and chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.evaluation.metrics import title_of
from crossbench.results.boards.profile import profile
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, names_axis, tooltip
from crossbench.results.figures.forest import dots

if TYPE_CHECKING:
    import pandas as pd

    from crossbench.results.boards.board import Board
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_PLACE = 27  # pixels of the line below a task's name, and of the gap to the next


def method_profile(board: Board, method: str, *, theme: Theme = "light") -> Figure:
    """A method's score on each task of a board, with its place below the task's name.

    Args:
        board: The board.
        method: Registry name; each version of its code has a colour.
        theme: Light or dark.
    """
    frame = profile(board, method)
    frame["place_words"] = [_place(row) for row in frame.itertuples()]
    metric, tasks = title_of(board.metric), list(dict.fromkeys(frame["task"]))
    return compose(
        frame,
        _layers(frame, board),
        name="method-profile",
        title=f"{metric} of {method} by task",
        subtitle=[
            "Bars: 95 % intervals over the runs.",
            "Grey strokes: the majority class, and chance (thin).",
        ],
        alt=_in_words(frame, metric, method),
        height=marks.rows_height(len(tasks), marks.whole_height(tasks) + _PLACE),
        theme=theme,
    )


def _place(row: Any) -> str:
    if row.place != row.place:  # NaN: a run is missing
        return row.text if row.runs == 0 else f"{row.runs} of {row.expected} runs"
    return f"place {row.place:.0f} of {row.of}"


def _in_words(frame: pd.DataFrame, metric: str, method: str) -> str:
    said = [f"{row.task} {row.score:.3f} ({row.place_words})" for row in frame.itertuples()]
    return f"{metric} of {method}: {', '.join(said) or 'none'}."


def _layers(frame: pd.DataFrame, board: Board) -> list[dict[str, Any]]:
    below = dict(zip(frame["task"], frame["place_words"], strict=True))
    y = names_axis("task", list(dict.fromkeys(frame["task"])), below)
    x = {
        "scale": marks.scores() | {"padding": 16},
        "axis": marks.figures_axis(title_of(board.metric)),
    }
    rows = sorted(frame["row"].unique())
    look = marks.look("row", board.methods, shown=rows if len(rows) > 1 else None)
    shown = tooltip(task="", row="", score=".3f", low=".3f", high=".3f", place_words="")
    return [
        {
            "mark": {"type": "tick", "color": marks.GREY, "thickness": 3, "size": 22},
            "encoding": {"y": y, "x": field("majority", **x)},
        },
        {
            "mark": {"type": "tick", "color": marks.GREY, "thickness": 1, "size": 30},
            "encoding": {"y": y, "x": field("chance", **x)},
        },
        *dots({"y": y}, ("score", "low", "high"), look, axis=x, words=shown),
    ]
