"""The Pareto front, held to its definition; costs of methods that have every run."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.pareto import cost_frame, known_costs, pareto_front

numbers = st.integers(-3, 3) | st.floats(-10, 10) | st.just(math.nan)
points = st.lists(st.tuples(numbers, numbers), max_size=8)


def dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    (cost, score), (other_cost, other_score) = one, other
    return cost <= other_cost and score >= other_score and one != other


@given(points)
def test_a_point_is_on_the_front_if_and_only_if_none_dominates_it(
    found: list[tuple[float, float]],
) -> None:
    cost, score = np.array(found, dtype=float).reshape(-1, 2).T
    expected = [
        not any(math.isnan(value) for value in point)
        and not any(dominates(other, point) for other in found)
        for point in found
    ]
    assert pareto_front(cost, score).tolist() == expected
    assert pareto_front(cost, -score, higher_is_better=False).tolist() == expected


@given(points.filter(lambda found: any(not math.isnan(a + b) for a, b in found)))
def test_some_point_is_on_the_front(found: list[tuple[float, float]]) -> None:
    assert pareto_front(*np.array(found, dtype=float).T).any()


def test_costs_are_of_methods_with_every_run(record: Any, frame: Any) -> None:
    def run(method: str, fold: int, score: float, ms: float, task: str = "blood") -> Any:
        timings, counts = {"test": ms / 100}, {"test": 10}
        return record(method, task, fold, score=score, timings=timings, counts=counts)

    runs = [
        run("acs", 0, 0.7, 2), run("acs", 1, 0.9, 4),
        run("crossd", 0, 0.6, 5), run("crossd", 1, 0.8, 5),
        run("conv3d", 0, 1.0, 1),
        record("majority", "blood", 0), record("majority", "blood", 1),
    ]  # fmt: skip
    (board,) = split_boards(frame(*runs))
    assert known_costs(board) == ["ms_per_sample"]
    costs = cost_frame(board, "ms_per_sample")
    assert costs["name"].tolist() == ["acs", "crossd"]
    np.testing.assert_allclose(costs[["score", "cost"]], [[0.8, 3], [0.7, 5]])
    assert costs["front"].tolist() == [True, False]


def test_a_board_without_complete_methods_has_no_costs(record: Any, frame: Any) -> None:
    runs = [record("acs", "blood", 0), record("crossd", "blood", 1)]
    (board,) = split_boards(frame(*runs))
    assert cost_frame(board, "ms_per_sample").empty
