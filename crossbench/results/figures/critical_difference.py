"""Mean ranks over tasks, with lines through methods that are not told apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from crossbench.evaluation.statistics import friedman, tied_groups
from crossbench.results.boards.standings import complete_means, higher_is_better
from crossbench.results.figures import marks
from crossbench.results.figures.figure import compose, field, names_axis, tooltip

if TYPE_CHECKING:
    from crossbench.evaluation.statistics import Friedman
    from crossbench.results.boards.board import Board
    from crossbench.results.figures.figure import Figure
    from crossbench.results.figures.marks import Theme

NOT_APART = "not told apart"
_ROW = 32


def critical_difference(board: Board, *, theme: Theme = "light") -> Figure:
    """Mean ranks of the methods that have every run, and the groups that no test tells apart.

    A grey line joins methods of which no two are shown to differ: Wilcoxon's signed rank over
    tasks, Holm over all pairs, 5 %, the test behind the marks of the standings. Plain baselines
    are not ranked, and have no place here.

    Args:
        board: The board.
        theme: Light or dark.

    Raises:
        StatisticsError: If there are too few tasks or methods for a claim.
    """
    higher = higher_is_better(board.metric)
    scores = complete_means(board, board.metric)[board.methods].dropna(axis="columns")
    test = friedman(scores, higher_is_better=higher)
    groups = [tuple(group) for group in tied_groups(scores, higher_is_better=higher)]
    frame = rank_frame(test, groups)
    rows = list(dict.fromkeys(frame["name"]))
    return compose(
        frame,
        _layers(rows, board),
        name="critical-difference",
        title=f"Mean ranks over {len(scores)} tasks",
        subtitle=[test.sentence(), "Grey lines join methods of which no two are shown to differ."],
        alt=_in_words(test, groups),
        height=marks.rows_height(len(rows), _ROW),
        theme=theme,
    )


def rank_frame(test: Friedman, groups: list[tuple[str, ...]]) -> pd.DataFrame:
    """One row a method, then one row a member of a group.

    Columns: ``name`` (the method, or :data:`NOT_APART`), ``method``, ``rank``, ``group`` (its
    members; empty for the methods' own rows).
    """
    own = [(name, name, rank, "") for name, rank in test.mean_ranks.items()]
    joined = [
        (NOT_APART, name, test.mean_ranks[name], ", ".join(group))
        for group in groups
        for name in group
    ]
    return pd.DataFrame(own + joined, columns=["name", "method", "rank", "group"])


def _in_words(test: Friedman, groups: list[tuple[str, ...]]) -> str:
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in test.mean_ranks.items())
    tied = "; ".join(", ".join(group) for group in groups)
    return f"Mean ranks: {ranks}. Not told apart: {tied or 'none'}. {test.sentence()}"


def _layers(rows: list[str], board: Board) -> list[dict[str, Any]]:
    ranks = list(range(1, len(board.methods) + 1))
    x = field(
        "rank",
        scale={"domain": [1, max(len(ranks), 2)], "nice": False, "padding": 16},
        axis=marks.figures_axis("mean rank (1 is best)", values=ranks, format="d"),
    )
    y = names_axis("name", rows)
    look = marks.look("name", board.methods)
    return [
        {
            "transform": [{"filter": "datum.group"}],
            "mark": {
                "type": "line",
                "color": marks.GREY,
                "strokeWidth": 3,
                "point": {"color": marks.GREY, "size": 50},
            },
            "encoding": {
                "y": y,
                "yOffset": field("group", "nominal"),
                "x": x,
                "detail": field("group", "nominal"),
                "tooltip": tooltip(method="", group="", rank=".2f"),
            },
        },
        {
            "transform": [{"filter": "!datum.group"}],
            "mark": {"type": "point", "filled": True, "size": 130, "opacity": 1},
            "encoding": {"y": y, "x": x, **look, "tooltip": tooltip(method="", rank=".2f")},
        },
    ]
