from __future__ import annotations

from typing import Any

import pytest

from crossbench.results.boards.compare import compare_on, verdict_frame
from crossbench.results.figures.gains import OUTCOMES, VERDICTS, gains, probabilities


@pytest.fixture
def comparison(board_of: Any) -> Any:
    return compare_on(board_of(3), "acs", "crossd")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_gains_are_those_of_the_comparison(comparison: Any, valid: Any, theme: Any) -> None:
    figure = gains(comparison, theme=theme)
    assert valid(figure)
    frame = verdict_frame(comparison)
    assert list(figure.data["gain"]) == list(frame["gain"])
    assert "crossd against acs" in figure.title
    assert f"task-0 {frame['gain'][0]:+.3f}" in figure.alt
    assert set(figure.data["verdict"]) <= set(VERDICTS)


def test_a_task_without_a_verdict_is_left_out(board_of: Any, valid: Any) -> None:
    board = board_of(2, failing=[("acs", "task-1")])
    figure = gains(compare_on(board, "acs", "crossd"))
    assert valid(figure)
    assert list(figure.data["task"]) == ["task-0"]


def test_probabilities_add_up_to_one(comparison: Any, valid: Any) -> None:
    figure = probabilities(comparison)
    assert valid(figure)
    assert figure.data.groupby("task")["probability"].sum().to_numpy() == pytest.approx([1, 1, 1])
    assert set(figure.data["outcome"]) == set(OUTCOMES)
