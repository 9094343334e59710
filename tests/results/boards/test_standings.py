from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from crossbench.results.boards.board import Board
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.standings import (
    Standing,
    complete_means,
    means_over_runs,
    standings,
    ties_with_best,
)
from crossbench.results.boards.tables import leaderboards

NOISE = [0.004, -0.002, 0.001, 0.003, -0.006]


def one_board(frame: Any, *runs: Any) -> Board:
    (board,) = split_boards(frame(*runs))
    return board


def stand(board: Board) -> list[Standing]:
    return standings(board, rng=np.random.default_rng(0))


def over_tasks(record: Any, method: str, scores: list[float], **more: Any) -> list[Any]:
    return [record(method, f"task-{n}", score=score, **more) for n, score in enumerate(scores)]


def over_folds(record: Any, method: str, scores: list[float], **more: Any) -> list[Any]:
    return [record(method, fold=fold, score=score, **more) for fold, score in enumerate(scores)]


# ---------------------------------------------------------------------- over tasks


def test_methods_stand_by_mean_rank_and_baselines_last(frame: Any, record: Any) -> None:
    rows = stand(
        one_board(
            frame,
            *over_tasks(record, "majority", [0.9, 0.9, 0.9]),
            *over_tasks(record, "steady", [0.6, 0.6, 0.6]),
            *over_tasks(record, "lucky", [0.5, 0.5, 0.99]),
        )
    )
    assert [(row.name, row.plain, row.rank and row.rank.value) for row in rows] == [
        ("steady", False, pytest.approx(4 / 3)),
        ("lucky", False, pytest.approx(5 / 3)),
        ("majority", True, None),
    ]
    assert [row.mean and row.mean.value for row in rows] == pytest.approx([0.6, 1.99 / 3, 0.9])


def test_equal_ranks_are_ordered_by_the_mean_and_then_by_name(frame: Any, record: Any) -> None:
    board = one_board(
        frame,
        *over_tasks(record, "b", [0.5, 0.6]),
        *over_tasks(record, "a", [0.6, 0.5]),
        *over_tasks(record, "c", [0.7, 0.4]),
        *over_tasks(record, "d", [0.4, 0.8]),
    )
    assert [row.name for row in stand(board)] == ["d", "a", "b", "c"]


def test_for_a_loss_lower_is_better(frame: Any, record: Any) -> None:
    runs = [
        record(name, f"task-{n}", metric="log_loss", metrics={"log_loss": loss + n / 10})
        for name, loss in (("acs", 0.9), ("crossd", 0.4))
        for n in range(6)
    ]
    first, second = stand(one_board(frame, *runs))
    assert (first.name, second.name) == ("crossd", "acs")
    assert second.beside_first == "behind"


def test_another_metric_of_the_same_runs_may_be_asked_for(frame: Any, record: Any) -> None:
    runs = [
        record(name, task, metrics={"balanced_accuracy": score, "accuracy": 1 - score})
        for name, score in (("acs", 0.2), ("crossd", 0.7))
        for task in ("a", "b")
    ]
    board = one_board(frame, *runs)
    assert stand(board)[0].name == "crossd"
    assert stand(dataclasses.replace(board, metric="accuracy"))[0].name == "acs"


def test_a_method_that_lacks_runs_is_not_ranked(frame: Any, record: Any, failure: Any) -> None:
    rows = stand(
        one_board(
            frame,
            *over_tasks(record, "acs", [0.5, 0.5]),
            *over_tasks(record, "conv3d", [0.4, 0.4]),
            *over_tasks(record, "crossd", [0.9]),
            failure("crossd", "task-1"),
            failure("never", "task-0"),
        )
    )
    last = {row.name: row for row in rows[2:]}
    assert [row.name for row in rows[:2]] == ["acs", "conv3d"]
    assert (last["crossd"].tasks, last["crossd"].total, last["crossd"].rank) == (1, 2, None)
    assert last["crossd"].mean is not None
    assert last["crossd"].mean.value == 0.9
    assert last["crossd"].note == "not ranked: runs are missing"
    assert (last["never"].mean, last["never"].tasks) == (None, 0)


def test_one_method_alone_has_no_rank(frame: Any, record: Any) -> None:
    (row,) = stand(one_board(frame, *over_tasks(record, "acs", [0.5] * 6)))
    assert (row.rank, row.beside_first) == (None, None)
    assert row.mean is not None
    assert (row.mean.low, row.mean.high) == (None, None)  # of what does not vary


def test_five_tasks_carry_no_claim(frame: Any, record: Any) -> None:
    rows = stand(
        one_board(
            frame,
            *over_tasks(record, "acs", [0.1, 0.2, 0.3, 0.4, 0.5]),
            *over_tasks(record, "crossd", [0.2, 0.3, 0.4, 0.5, 0.6]),
        )
    )
    for row in rows:
        assert (row.beside_first, row.note) == (None, "no claim over tasks")
        assert row.mean is not None
        assert row.rank is not None
        assert row.mean.low is row.rank.low is None


def test_six_tasks_carry_one(frame: Any, record: Any) -> None:
    base = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    rows = stand(
        one_board(
            frame,
            *over_tasks(record, "acs", base),
            *over_tasks(record, "crossd", [score + 0.1 + score / 10 for score in base]),
        )
    )
    assert [(row.name, row.beside_first) for row in rows] == [("crossd", "ties"), ("acs", "behind")]
    assert rows[1].note == "worse than crossd (p = 0.031 after Holm over 1 pair)"
    assert rows[0].mean is not None
    assert rows[0].mean.low is not None


def test_ties_are_tested_over_all_pairs(frame: Any, record: Any) -> None:
    """At N = 6 a clean sweep has p = 1/32, which Holm over three pairs cannot pass."""
    base = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    rows = stand(
        one_board(
            frame,
            *over_tasks(record, "third", base),
            *over_tasks(record, "second", [score + 0.1 for score in base]),
            *over_tasks(record, "first", [score + 0.2 for score in base]),
        )
    )
    assert [(row.name, row.beside_first) for row in rows] == [
        ("first", None),
        ("second", None),
        ("third", None),
    ]
    assert {row.note for row in rows} == {
        "no difference could be shown here (smallest attainable p = 0.094 after Holm over 3 pairs)"
    }


def test_a_method_may_be_better_than_the_first_in_mean_rank(frame: Any, record: Any) -> None:
    """Much better on ten tasks of fourteen; a little worse on four, where others lie between."""
    place, few = np.arange(14), np.arange(14) < 10
    scores = {
        "first": 0.5 + 0.001 * place,
        "better": 0.5 + np.where(few, 0.1 + 0.011 * place, -0.01 + 0.0009 * place),
        "other": 0.5 + 0.001 * place - np.where(few, 0.2 + 0.001 * place, 0.001),
        "another": 0.5 + 0.001 * place - np.where(few, 0.21 + 0.002 * place, 0.002),
    }
    runs = [run for name, values in scores.items() for run in over_tasks(record, name, values)]
    rows = stand(one_board(frame, *runs))
    assert [(row.name, row.beside_first) for row in rows[:2]] == [
        ("first", "ties"),
        ("better", "ahead"),
    ]
    assert rows[1].note == (
        "behind in mean rank, yet by signed rank better than first (p = 0.016 after Holm over 6 "
        "pairs)"
    )
    (table,) = leaderboards(split_boards(frame(*runs)))
    assert f"better: {rows[1].note}." in table.notes


def test_intervals_are_reproducible(frame: Any, record: Any) -> None:
    board = one_board(
        frame,
        *over_tasks(record, "acs", [0.1, 0.4, 0.3, 0.2, 0.6, 0.5]),
        *over_tasks(record, "crossd", [0.2, 0.3, 0.4, 0.1, 0.5, 0.6]),
    )
    assert stand(board) == stand(board)


# ---------------------------------------------------------------------- on one task


def test_means_are_over_every_run_or_none(frame: Any, record: Any, failure: Any) -> None:
    board = one_board(
        frame,
        *over_folds(record, "acs", [0.4, 0.6]),
        *over_folds(record, "crossd", [0.9]),
        failure("crossd", fold=1),
        record("conv3d", fold=0, score=None),
        record("conv3d", fold=1, score=0.9),
        record("majority", fold=0),
    )
    means = complete_means(board, "balanced_accuracy")
    assert list(means.index) == ["blood"]
    assert means.loc["blood"].dropna().to_dict() == {"acs": 0.5}
    assert list(means.columns) == ["acs", "conv3d", "crossd", "majority"]


def with_noise(record: Any, gains: dict[str, float], **more: Any) -> list[Any]:
    """Five folds; each method's score is the fold's level plus its gain plus its own noise."""
    return [
        run
        for number, (name, gain) in enumerate(gains.items())
        for run in over_folds(record, name, list(0.5 + gain + np.roll(NOISE, number)), **more)
    ]


def test_methods_that_differ_from_the_best_do_not_tie(frame: Any, record: Any) -> None:
    board = one_board(frame, *with_noise(record, {"best": 0.0, "near": -0.001, "far": -0.1}))
    ties = ties_with_best(board, "balanced_accuracy")["blood"]
    assert ties == {"best", "near"}


def test_the_tasks_of_a_board_are_one_family(frame: Any, record: Any) -> None:
    runs = with_noise(record, {"best": 0.0, "near": -0.016})  # p = 0.035
    several = [
        dataclasses.replace(run, key=dataclasses.replace(run.key, task=task))
        for task in ("blood", "breast", "vessel")
        for run in runs
    ]
    alone = ties_with_best(one_board(frame, *runs), "balanced_accuracy")
    assert alone == {"blood": {"best"}}
    together = ties_with_best(one_board(frame, *several), "balanced_accuracy")
    assert list(together.values()) == [{"best", "near"}] * 3


def test_one_random_draw_of_weights_is_tested_against_nothing(frame: Any, record: Any) -> None:
    gains = {"best": 0.0, "far": -0.1}
    board = one_board(frame, *with_noise(record, gains, protocol="linear-probe"))
    ties = ties_with_best(board, "balanced_accuracy")["blood"]
    assert ties == {"best", "far"}
    twice = [
        dataclasses.replace(run, key=dataclasses.replace(run.key, seed=seed), identity=f"{seed}{n}")
        for seed in (43, 44)
        for n, run in enumerate(with_noise(record, gains, protocol="linear-probe"))
    ]
    assert ties_with_best(one_board(frame, *twice), "balanced_accuracy")["blood"] == {"best"}


def test_ties_follow_the_direction_of_the_metric(frame: Any, record: Any) -> None:
    runs = [
        dataclasses.replace(run, metrics={"log_loss": run.metrics["balanced_accuracy"]})
        for run in with_noise(record, {"high": 0.1, "higher": 0.101, "low": 0.0})
    ]
    ties = ties_with_best(one_board(frame, *runs), "log_loss")["blood"]
    assert ties == {"low"}


def test_what_cannot_be_tested_is_not_shown_to_differ(frame: Any, record: Any) -> None:
    board = one_board(
        frame,
        *over_folds(record, "acs", [0.5, 0.6, 0.7]),
        *over_folds(record, "crossd", [0.6, 0.7, 0.8]),
    )
    ties = ties_with_best(board, "balanced_accuracy")["blood"]
    assert ties == {"acs", "crossd"}


def test_on_other_samples_nothing_is_shown_to_differ(frame: Any, record: Any) -> None:
    board = one_board(
        frame,
        *over_folds(record, "acs", [0.1, 0.11, 0.12, 0.1, 0.13], hashes={"split": "a"}),
        *over_folds(record, "crossd", [0.9, 0.93, 0.91, 0.92, 0.9], hashes={"split": "b"}),
    )
    ties = ties_with_best(board, "balanced_accuracy")["blood"]
    assert ties == {"acs", "crossd"}


def test_baselines_alone_stand_unranked(frame: Any, record: Any) -> None:
    board = one_board(frame, record("majority", score=0.5), record("logistic", score=0.7))
    assert [(row.name, row.rank, row.note) for row in stand(board)] == [
        ("majority", None, ""),
        ("logistic", None, ""),
    ]
    assert ties_with_best(board, "balanced_accuracy")["blood"] == set()


def test_one_method_ties_with_none(frame: Any, record: Any) -> None:
    board = one_board(frame, *over_folds(record, "acs", [0.1, 0.2]))
    assert ties_with_best(board, "balanced_accuracy")["blood"] == set()


def test_the_interval_of_a_mean_knows_the_folds_that_were_not_run(frame: Any, record: Any) -> None:
    scores = [0.50, 0.51]
    five = one_board(frame, *over_folds(record, "acs", scores))
    split = {"split": {"scheme": "standard", "folds": 2, "seeds": [43], "run_folds": []}}
    two = one_board(frame, *over_folds(record, "acs", scores, provenance=split))
    assert (five.split_folds, two.split_folds) == (5, 2)
    halves = []
    for board in (five, two):
        mean = means_over_runs(board, "blood", "balanced_accuracy")["acs"]
        assert mean.high is not None
        halves.append(mean.high - mean.value)
    # The squared errors are s2 (1/2 + 1/4) and s2 (1/2 + 1/1).
    assert halves[1] / halves[0] == pytest.approx(np.sqrt(1.5 / 0.75))


def test_the_interval_of_a_mean_ends_where_the_metric_does(frame: Any, record: Any) -> None:
    board = one_board(frame, *over_folds(record, "acs", [0.1, 0.9]))
    mean = means_over_runs(board, "blood", "balanced_accuracy")["acs"]
    assert (mean.low, mean.high) == (0.0, 1.0)


def test_what_lacks_runs_or_has_but_one_has_no_interval(frame: Any, record: Any) -> None:
    board = one_board(
        frame, *over_folds(record, "acs", [0.1, 0.2]), *over_folds(record, "crossd", [0.3])
    )
    assert set(means_over_runs(board, "blood", "balanced_accuracy")) == {"acs"}
    assert means_over_runs(board, "blood", "auroc") == {}
    single = one_board(frame, record())
    assert means_over_runs(single, "blood", "balanced_accuracy") == {}
