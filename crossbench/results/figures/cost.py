"""What methods cost beside what they achieve, one chart a cost and machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crossbench.evaluation.metrics import title_of
from crossbench.evaluation.statistics import MIN_TASKS
from crossbench.results.boards.pareto import (
    COSTS,
    OF_MACHINES,
    cost_frame,
    known_costs,
    machines,
    on_machine,
)
from crossbench.results.boards.standings import complete_means, means_of
from crossbench.results.boards.tables import ranked
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, tooltip

if TYPE_CHECKING:
    from crossbench.results.boards.board import Board
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

_HEIGHT = 320
_LINE = 14  # pixels from one label to the next
_MIB = "bytes_"
# Costs that differ by more than this factor are drawn on a logarithmic axis.
_WIDE = 20


def costs(board: Board, *, theme: Theme = "light") -> list[Figure]:
    """A chart for each known cost of a board, and for each machine where a cost depends on it."""
    found = []
    for by in known_costs(board):
        name = f"cost-{by.replace('_', '-')}"
        where = machines(board) if by in OF_MACHINES else [None]
        drawn = [cost(board, by, machine=machine, name=name, theme=theme) for machine in where]
        drawn = [figure for figure in drawn if figure.data["cost"].notna().any()]
        found += drawn[:1]
        found += [replace(each, name=f"{name}-{place}") for place, each in enumerate(drawn[1:], 2)]
    return found


def cost(
    board: Board,
    by: str,
    *,
    machine: str | None = None,
    name: str = "cost",
    theme: Theme = "light",
) -> Figure:
    """Score against one cost: a mark a method, the Pareto front, a line a row beside them.

    Methods that lack a run or its cost are left out and named in :attr:`Figure.alt`.

    Args:
        board: The board.
        by: A column of :data:`crossbench.results.boards.pareto.COSTS`.
        machine: What the runs ran on, as the board's column ``hardware`` has it; all where None.
        name: What the figure's files are called.
        theme: Light or dark.
    """
    own = board if machine is None else on_machine(board, machine)
    frame = score_and_cost(own, by)
    what, score = _unit(by), title_of(board.metric)
    shown = frame[frame["cost"].notna()]
    absent = [method for method in board.methods if method not in set(shown["name"])]
    device = f"On {machine}." if machine else ""
    return compose(
        frame,
        _layers(frame, board, what, score),
        name=name,
        title=f"{score} against {what.partition(',')[0]}",
        subtitle=[device or _device(own, by), _said(frame, own), _left_out(absent)],
        alt=_in_words(shown, what, score, absent),
        height=_HEIGHT,
        theme=theme,
    )


def score_and_cost(board: Board, by: str) -> pd.DataFrame:
    """Score and cost of a board's methods, and the scores of plain baselines and of chance.

    Columns: ``name plain score low high cost front``, ``label`` and ``label_at`` (what is written
    beside a plain baseline's line, and at which score). Bytes become MiB. NaN where there is none.
    """
    methods = cost_frame(board, by).assign(plain=False)
    if by.startswith(_MIB):
        methods["cost"] /= 2**20
    means = complete_means(board, board.metric).mean(skipna=False).dropna()
    scores = means[means.index.isin(board.beside)]
    plain = pd.DataFrame(
        {"name": list(scores.index), "score": list(scores), "plain": True, "front": False}
    )
    frame = pd.concat([methods, plain], ignore_index=True)
    frame["cost"] = frame["cost"].astype(float)
    known = means_of(board, ranked(board))
    for end in ("low", "high"):
        frame[end] = [getattr(known.get(name), end, None) for name in frame["name"]]
    frame = frame.astype({"low": float, "high": float})
    return _labelled(frame)


def _labelled(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the plain baselines' labels: equal scores share one, and none overlap."""
    low, high = _reach(frame)
    gap = _LINE / _HEIGHT * (high - low)
    at = low - gap
    named: dict[float, list[str]] = {}
    for name, score in frame.loc[frame["plain"], ["name", "score"]].sort_values("score").to_numpy():
        named.setdefault(round(float(score), 3), []).append(str(name))
    labels: dict[str, tuple[str, float]] = {}
    for score, names in named.items():
        at = max(score, at + gap)
        labels[names[0]] = (", ".join(names), at)
    pairs = [labels.get(name, ("", float("nan"))) for name in frame["name"]]
    return frame.assign(label=[text for text, _ in pairs], label_at=[place for _, place in pairs])


def _reach(frame: pd.DataFrame) -> tuple[float, float]:
    """The scores that the axis covers."""
    values = frame[["score", "low", "high"]].to_numpy(dtype=np.float64)
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    margin = 0.08 * (high - low) or 0.05
    return low - margin, high + margin


def _unit(by: str) -> str:
    return COSTS[by].replace("bytes", "MiB") if by.startswith(_MIB) else COSTS[by]


def _device(board: Board, by: str) -> str:
    """The machines that a cost was measured on, where it depends on them."""
    found = machines(board)
    return f"On {' and '.join(found)}." if by in OF_MACHINES and all(found) else ""


def _said(frame: pd.DataFrame, board: Board) -> str:
    over = len(board.counted)
    bars = f"No intervals of means over {over} tasks: they take {MIN_TASKS}."
    if frame["low"].notna().any():
        bars = "Bars: 95 % intervals of the score."
    return f"{bars} Dashed: Pareto front. Lines across: plain baselines and chance."


def _left_out(absent: list[str]) -> str:
    return f"Left out, for a run or its cost is missing: {', '.join(absent)}." if absent else ""


def _in_words(shown: pd.DataFrame, what: str, score: str, absent: list[str]) -> str:
    columns = (shown[name] for name in ("name", "score", "cost", "front"))
    methods = [
        f"{name} {value:.3f} at {_short(spent)}{' (on the front)' if front else ''}"
        for name, value, spent, front in zip(*columns, strict=True)
    ]
    said = f"{score} against {what}: {', '.join(methods) or 'no method'}."
    return " ".join(filter(None, [said, _left_out(absent)]))


def _short(value: float) -> str:
    return f"{value / 1e6:.3g} million" if value >= 1e6 else f"{float(f'{value:.4g}'):,.12g}"


def _layers(frame: pd.DataFrame, board: Board, what: str, score: str) -> list[dict[str, Any]]:
    wide = _is_wide(frame["cost"].dropna())
    x_scale = {
        "type": "log" if wide else "linear",
        "zero": False,
        "nice": wide,
        "padding": 24,
        "range": [0, {"expr": f"width - {_margin(frame)}"}],
    }
    x = field("cost", scale=x_scale, axis=marks.figures_axis(what, format="~s"))
    low, high = _reach(frame)
    y_scale = {"domain": [low, high], "zero": False, "nice": False}
    y = {"scale": y_scale, "axis": marks.figures_axis(score)}
    methods = [{"filter": "!datum.plain"}]
    shown = list(frame.loc[~frame["plain"], "name"])
    look = marks.look("name", board.methods, board.beside, shown)
    return [
        *_plain_lines(y),
        {
            "transform": [{"filter": "datum.front"}],
            "mark": {
                "type": "line",
                "color": marks.GREY,
                "strokeDash": [5, 4],
                "interpolate": "step-after",
            },
            "encoding": {"x": x, "y": field("score", **y)},
        },
        {
            "transform": methods,
            "mark": marks.interval(),
            "encoding": {
                "x": x,
                "y": field("low", **y),
                "y2": {"field": "high"},
                "color": look["color"],
            },
        },
        {
            "transform": methods,
            "mark": {"type": "point", "filled": True, "size": 150, "opacity": 1},
            "encoding": {
                "x": x,
                "y": field("score", **y),
                **look,
                "tooltip": tooltip(name="", score=".3f", low=".3f", high=".3f", cost=",.4~g"),
            },
        },
    ]


def _margin(frame: pd.DataFrame) -> int:
    """Pixels at the right that the plain baselines' names need."""
    return marks.LETTER_WIDTH * max(map(len, frame["label"]), default=0)


def _is_wide(costs: pd.Series[float]) -> bool:
    return bool(len(costs) and costs.min() > 0 and costs.max() > _WIDE * costs.min())


def _plain_lines(y: dict[str, Any]) -> list[dict[str, Any]]:
    """A thin line across for each plain baseline, and its name at the right."""
    return [
        {
            "transform": [{"filter": "datum.plain"}],
            "mark": {"type": "rule", "color": marks.GREY, "strokeWidth": 1},
            "encoding": {"y": field("score", **y), "tooltip": tooltip(name="", score=".3f")},
        },
        {
            "transform": [{"filter": "datum.plain && datum.label"}],
            "mark": {
                "type": "text",
                "align": "right",
                "baseline": "bottom",
                "dx": -2,
                "dy": -1,
                "fontSize": 11,
            },
            "encoding": {
                "x": {"value": "width"},
                "y": field("label_at", **y),
                "text": field("label", "nominal"),
            },
        },
    ]
