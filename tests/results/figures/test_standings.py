from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.tables import ranked
from crossbench.results.figures.standings import standings


def test_ranks_are_drawn_with_the_intervals_of_the_standings(board_of: Any, valid: Any) -> None:
    board = board_of(6)
    figure = standings(board)
    assert valid(figure)
    assert figure.title == "Standings: mean rank over 6 tasks"
    drawn = figure.data.set_index("name")
    assert list(drawn.index[:3]) == ["crossd", "conv3d", "acs"]
    for row in ranked(board):
        assert row.mean
        assert drawn.loc[row.name, "mean"] == row.mean.value
        if row.rank:
            assert drawn.loc[row.name, "rank"] == row.rank.value
            assert drawn.loc[row.name, "mean_low"] == row.mean.low


def test_a_rank_that_varies_has_its_interval(record: Any, frame: Any, valid: Any) -> None:
    first = [0.9, 0.8, 0.9, 0.7, 0.9, 0.6]
    runs = [record("acs", f"task-{place}", score=score) for place, score in enumerate(first)]
    runs += [record("crossd", f"task-{place}", score=0.75) for place in range(6)]
    (board,) = split_boards(frame(*runs))
    figure = standings(board)
    assert valid(figure)
    drawn = figure.data.set_index("name")
    for row in ranked(board):
        assert row.rank
        ends = (row.rank.low, row.rank.high)
        assert (drawn.loc[row.name, "rank_low"], drawn.loc[row.name, "rank_high"]) == ends


def test_plain_baselines_stand_below_and_are_not_ranked(board_of: Any) -> None:
    drawn = standings(board_of(6)).data.set_index("name")
    plain = drawn[drawn["plain"]]
    assert {"majority", "logistic"} <= set(plain.index)
    assert plain["rank"].isna().all()
    assert plain.loc["logistic", "mean"] == pytest.approx(0.55)


def test_few_tasks_have_ranks_without_intervals(board_of: Any, valid: Any) -> None:
    figure = standings(board_of(2))
    assert valid(figure)
    assert figure.data["rank"].notna().sum() == 3
    assert figure.data["rank_low"].isna().all()
    assert "No intervals" in " ".join(figure.subtitle)


def test_one_task_has_means_with_intervals_over_its_runs(board_of: Any, valid: Any) -> None:
    figure = standings(board_of(1))
    assert valid(figure)
    assert figure.title == "Standings: balanced accuracy on task-0"
    methods = figure.data[~figure.data["plain"]]
    assert (methods["mean_low"] < methods["mean"]).all()
    assert "Balanced accuracy on task-0: crossd 0." in figure.alt


def test_a_method_that_lacks_runs_is_shown_as_not_ranked(board_of: Any) -> None:
    figure = standings(board_of(6, failing=[("acs", "task-3")]))
    drawn = figure.data.set_index("name")
    assert pd.isna(drawn.loc["acs", "rank"])
    assert "Not ranked, mean score: acs 0." in figure.alt


def test_a_theme_changes_words_and_no_figure(board_of: Any) -> None:
    light, dark = (standings(board_of(2), theme=theme) for theme in ("light", "dark"))
    pd.testing.assert_frame_equal(light.data, dark.data)
    assert light.spec["config"]["text"]["color"] != dark.spec["config"]["text"]["color"]
    assert {**light.spec, "config": 0} == {**dark.spec, "config": 0}
