from __future__ import annotations

from typing import Any

import pytest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.table import BEST, Table
from crossbench.results.boards.tables import leaderboard
from crossbench.results.figures.heat_map import heat_map


def cells_of(table: Table) -> dict[tuple[str, str], Any]:
    return {
        (row.text, column.text): cell
        for row, cells in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, cells, strict=True)
    }


def test_cells_are_those_of_the_boards_table(board_of: Any, valid: Any) -> None:
    board = board_of(3, failing=[("acs", "task-1")])
    figure = heat_map(board)
    assert valid(figure)
    cells = cells_of(leaderboard(board))
    for row in figure.data.itertuples(index=False):
        cell = cells[row.name, row.task]
        assert row.text == cell.text
        assert row.mark.replace(BEST, "") == cell.mark
        assert (BEST in row.mark) == cell.best
        assert row.score == pytest.approx(cell.value, nan_ok=True) or cell.value is None


def test_a_shade_is_the_share_of_the_way_from_majority_to_best(board_of: Any) -> None:
    drawn = heat_map(board_of(3)).data
    shade = drawn.set_index(["name", "task"])["shade"]
    score = drawn.set_index(["name", "task"])["score"]
    for task in drawn["task"].unique():
        best = score[:, task].max()
        assert shade["majority", task] == 0
        assert shade[:, task].max() == 1
        share = (score["logistic", task] - 0.5) / (best - 0.5)
        assert shade["logistic", task] == pytest.approx(share)


def test_a_cell_without_a_score_is_grey_and_says_why(board_of: Any) -> None:
    figure = heat_map(board_of(2, failing=[("acs", "task-1")]))
    lost = figure.data.set_index(["name", "task"]).loc[("acs", "task-1")]
    assert lost["label"] == "failed (5)"
    assert lost["short"] == "×"
    assert lost["shade"] != lost["shade"]
    assert "1 cells have no score" in figure.alt


def test_a_task_where_nothing_beats_the_majority_has_no_shade(record: Any, frame: Any) -> None:
    runs = [record("acs", score=0.4), record("crossd", score=0.5), record("majority", score=0.5)]
    (board,) = split_boards(frame(*runs))
    drawn = heat_map(board).data
    assert (drawn["shade"] == 0).all()
    assert "†" in drawn.set_index("name").loc["crossd", "mark"]


def test_lower_is_better_where_the_metric_says_so(record: Any, frame: Any) -> None:
    runs = [
        record(method, metrics={"log_loss": loss}, metric="log_loss")
        for method, loss in (("acs", 0.2), ("crossd", 0.6), ("majority", 0.7))
    ]
    (board,) = split_boards(frame(*runs))
    shade = heat_map(board).data.set_index("name")["shade"]
    assert shade["acs"] == 1
    assert shade["crossd"] == pytest.approx(0.2)


def test_what_there_is_more_of_stands_below_each_other(board_of: Any) -> None:
    for tasks, below in ((2, "name"), (9, "task")):
        layer = heat_map(board_of(tasks)).spec["layer"][0]
        assert layer["encoding"]["y"]["field"] == below
