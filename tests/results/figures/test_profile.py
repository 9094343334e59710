from __future__ import annotations

from typing import Any

import pytest

from crossbench.results.boards.profile import profile
from crossbench.results.figures.profile import method_profile


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_method_is_drawn_over_its_tasks(board_of: Any, valid: Any, theme: Any) -> None:
    board = board_of(3)
    figure = method_profile(board, "crossd", theme=theme)
    assert valid(figure)
    assert figure.title == "Balanced accuracy of crossd by task"
    assert list(figure.data["score"]) == list(profile(board, "crossd")["score"])
    assert set(figure.data["place_words"]) == {"place 1 of 3"}
    assert "task-0 0." in figure.alt
    assert "(place 1 of 3)" in figure.alt


def test_a_task_without_a_score_says_why(board_of: Any, valid: Any) -> None:
    figure = method_profile(board_of(2, failing=[("acs", "task-1")]), "acs")
    assert valid(figure)
    assert list(figure.data["place_words"]) == ["place 3 of 3", "failed (5)"]
