"""The row of chance: on every table and in every figure that has plain baselines."""

from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from crossbench.errors import RequestError
from crossbench.results.boards.board import CHANCE, Board
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.compare import compare_boards
from crossbench.results.boards.profile import profile
from crossbench.results.boards.standings import means_over_runs
from crossbench.results.boards.tables import leaderboard, ranked, task_table
from crossbench.results.figures.cost import score_and_cost
from crossbench.results.figures.heat_map import heat_map
from crossbench.results.figures.profile import method_profile
from crossbench.results.figures.standings import standings

K = {"two": 2, "four": 4}
COSTS = {"parameters": {"trainable": 10}}


def runs_of(record: Any) -> list[Any]:
    """Two methods and the majority class on tasks of two and of four classes, three folds each."""
    return [
        record(
            method,
            task,
            fold,
            score=score + 0.01 * fold,
            per_class={"sensitivity": (0.5,) * count},
            **COSTS,
        )
        for task, count in K.items()
        for method, score in (("acs", 0.7), ("crossd", 0.8), ("majority", 1 / count))
        for fold in range(3)
    ]


@pytest.fixture
def board(frame: Any, record: Any) -> Board:
    (board,) = split_boards(frame(*runs_of(record)))
    return board


def row(table: Any, name: str) -> dict[str, str]:
    place = [header.text for header in table.rows].index(name)
    heads = [header.text for header in table.columns]
    return dict(zip(heads, [cell.text for cell in table.cells[place]], strict=True))


def test_a_leaderboard_ends_with_it(board: Board) -> None:
    table = leaderboard(board)
    assert table.rows[-1].text == CHANCE
    assert table.rows[-1].aside
    expected = {"two": "0.500", "four": "0.250", "average": "0.375", "mean rank": ""}
    assert row(table, CHANCE) == expected | {"trainable parameters": ""}
    assert "each of K classes" in " ".join(table.notes)


def test_a_task_has_it_for_every_metric_that_defines_it(board: Board) -> None:
    table = task_table(board, "four")
    found = row(table, CHANCE)
    assert (found["Balanced accuracy"], found["Log loss"]) == ("0.250", "1.386")
    assert found["Macro F1"] == "–"
    words = "Chance is not defined where it depends on the test samples: Macro precision, Macro F1."
    assert words in table.notes


def test_it_is_never_ranked_nor_given_an_interval(board: Board) -> None:
    last = ranked(board)[-1]
    assert (last.name, last.plain, last.rank) == (CHANCE, True, None)
    assert last.mean is not None
    assert last.mean.value == pytest.approx(0.375)
    assert CHANCE not in means_over_runs(board, "two", "balanced_accuracy")


def test_it_cannot_be_compared_for_it_has_no_runs(frame: Any, record: Any) -> None:
    with pytest.raises(RequestError, match="chance"):
        compare_boards(frame(*runs_of(record)), baseline=CHANCE, candidate="acs")


def test_it_stands_in_every_figure(board: Board) -> None:
    assert CHANCE in set(standings(board).data["name"])
    drawn = heat_map(board).data.set_index(["name", "task"])["score"]
    assert dict(drawn[CHANCE]) == {"two": 0.5, "four": 0.25}
    assert method_profile(board, "acs").data["chance"].tolist() == [0.25, 0.5]
    cost = score_and_cost(board, "parameters_trainable").set_index("name")
    assert (cost.loc[CHANCE, "score"], cost.loc[CHANCE, "plain"]) == (pytest.approx(0.375), True)


def test_facts_tell_the_classes_and_else_the_metrics_of_each(frame: Any, record: Any) -> None:
    old = record(per_class={"sensitivity": (0.1, 0.2, None, 0.4, 0.5)})
    facts = old.provenance["facts"]
    stated = old.provenance | {"facts": facts | {"task": facts["task"] | {"classes": 3}}}
    new = dataclasses.replace(old, per_class={}, provenance=stated)
    for one, count in ((old, 5), (new, 3)):
        assert frame(one)["classes"].tolist() == [count]
        (board,) = split_boards(frame(one))
        assert board.chance("accuracy") == {"blood": pytest.approx(1 / count)}


def test_where_nothing_tells_the_classes_there_is_no_such_row(frame: Any, record: Any) -> None:
    (board,) = split_boards(frame(record("acs"), record("crossd")))
    table = leaderboard(board)
    assert CHANCE not in [header.text for header in table.rows]
    assert not any("Chance" in note for note in table.notes)
    assert pd.isna(profile(board, "acs").loc[0, "chance"])
