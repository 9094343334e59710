from __future__ import annotations

from typing import Any

import pytest

from crossbench.errors import StatisticsError
from crossbench.results.boards.standings import complete_means
from crossbench.results.boards.tables import ranked
from crossbench.results.figures.critical_difference import NOT_APART, critical_difference


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_ranks_are_those_of_the_standings(board_of: Any, valid: Any, theme: Any) -> None:
    board = board_of(7)
    figure = critical_difference(board, theme=theme)
    assert valid(figure)
    own = figure.data[figure.data["group"] == ""].set_index("name")["rank"]
    assert own.to_dict() == {row.name: row.rank.value for row in ranked(board) if row.rank}
    assert "majority" not in own
    assert "N = 7 tasks, 3 methods: Friedman p" in figure.alt


def test_groups_have_a_line_each(board_of: Any) -> None:
    board = board_of(6, methods=("acs", "mine", "yours"))  # of which no two differ by much
    figure = critical_difference(board)
    joined = figure.data[figure.data["name"] == NOT_APART]
    assert set(joined["method"]) <= set(complete_means(board, board.metric).columns)
    assert all(name in group for name, group in zip(joined["method"], joined["group"], strict=True))


def test_too_few_tasks_carry_no_diagram(board_of: Any) -> None:
    with pytest.raises(StatisticsError, match="N = 2 comparable tasks, 6 are needed"):
        critical_difference(board_of(2))
