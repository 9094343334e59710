from __future__ import annotations

import math
from typing import Any

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.profile import profile
from crossbench.results.boards.standings import means_over_runs

SCORES = {"acs": 0.7, "crossd": 0.8, "conv3d": 0.7, "majority": 0.5}


def board_of(frame: Any, *records: Any) -> Any:
    (board,) = split_boards(frame(*records))
    return board


def runs(record: Any, task: str = "blood", **scores: float) -> list[Any]:
    """Three folds each, a hundredth apart."""
    return [
        record(method, task, fold, score=score + fold / 100)
        for method, score in (SCORES | scores).items()
        for fold in range(3)
    ]


def test_a_task_has_score_interval_and_place(frame: Any, record: Any) -> None:
    board = board_of(frame, *runs(record))
    (row,) = profile(board, "crossd").itertuples()
    mean = means_over_runs(board, "blood", board.metric)["crossd"]
    assert (row.task, row.score, row.low, row.high) == ("blood", mean.value, mean.low, mean.high)
    assert (row.place, row.of, row.beside_best) == (1, 3, "best")
    assert (row.runs, row.expected, row.above_majority) == (3, 3, True)


def test_equal_scores_share_the_better_place(frame: Any, record: Any) -> None:
    board = board_of(frame, *runs(record))
    places = {name: profile(board, name)["place"].item() for name in ("acs", "conv3d")}
    assert places == {"acs": 2, "conv3d": 2}


def test_no_better_than_the_majority_class_is_said(frame: Any, record: Any) -> None:
    board = board_of(frame, *runs(record, acs=0.4))
    assert not profile(board, "acs")["above_majority"].item()


def test_a_missing_run_takes_the_place(frame: Any, record: Any, failure: Any) -> None:
    lost = [each for each in runs(record) if each.key.method != "acs"]
    board = board_of(
        frame, *lost, record("acs", fold=0), record("acs", fold=1), failure("acs", "blood", 2)
    )
    (row,) = profile(board, "acs").itertuples()
    assert math.isnan(row.place)
    assert (row.of, row.runs, row.expected) == (2, 2, 3)
    assert "2/3 runs, 1 failed" in row.text


def test_versions_of_a_method_have_rows_of_their_own(frame: Any, record: Any) -> None:
    other = record("acs", hashes={"method": "b" * 64}, fold=1)
    board = board_of(frame, record("acs", fold=0), other)
    assert list(profile(board, "acs")["row"]) == sorted(board.methods)
    assert len(board.methods) == 2


def test_without_runs_there_is_no_row(frame: Any, record: Any) -> None:
    table = profile(board_of(frame, *runs(record)), "unknown")
    assert table.empty
    assert "place" in table
