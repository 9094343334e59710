from __future__ import annotations

from typing import Any

import pytest

from crossbench.errors import RequestError
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.titles import heading


def titles(frame: Any) -> list[str]:
    return [board.title for board in split_boards(frame)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": "phantom"}, "phantom data"),
        ({"dimension": 3}, "3D tasks"),
        ({"preset": "paper"}, "preset paper"),
        ({"protocol": "finetune"}, "finetune"),
        ({"backbone": "resnet50"}, "resnet50, init random"),
        ({"init": "in1k"}, "resnet18, init in1k"),
        ({"settings": {"fit": {"epochs": 3, "lr": 1e-3}}}, "fit.epochs = 3"),
        ({"provenance": {"max_samples": 240}}, "input.max_samples = 240"),
        ({"hashes": {"harness": "0.2.0"}}, 'crossbench = "0.2.0"'),
    ],
)
def test_what_may_not_be_compared_is_on_boards_of_its_own(
    frame: Any, record: Any, change: dict[str, Any], words: str
) -> None:
    boards = split_boards(frame(record(), record(**change)))
    assert len(boards) == 2
    assert [len(board.runs) for board in boards] == [1, 1]
    assert any(words in board.title for board in boards)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "acs"},
        {"task": "derma"},
        {"seed": 44},
        {"fold": 1},
        {"grouped": False},
        {"metric": "accuracy"},
        {"settings": {"backbone": "resnet18", "fit": {"epochs": 15, "lr": 1e-3}, "drop_keys": 1}},
    ],
)
def test_what_may_be_compared_is_on_one_board(
    frame: Any, record: Any, change: dict[str, Any]
) -> None:
    assert len(split_boards(frame(record("conv2d"), record(**change)))) == 1


def test_seeds_and_folds_that_were_asked_for_change_no_board(frame: Any, record: Any) -> None:
    narrow = {"scheme": "standard", "folds": 5, "seeds": [43, 44], "run_folds": [0]}
    assert len(split_boards(frame(record(), record(fold=1, provenance={"split": narrow})))) == 1


def test_sizes_of_one_task_are_on_boards_of_their_own(frame: Any, record: Any) -> None:
    """An average over both would count the same samples twice."""
    small = record(task="vessel-28")
    small.provenance["facts"]["task"]["edition"] = "28 voxels"
    boards = split_boards(frame(record(), small))
    assert sorted("of 28 voxels" in board.title for board in boards) == [False, True]


def test_runs_that_were_fitted_on_another_task_are_on_boards_of_their_own(
    frame: Any, record: Any
) -> None:
    crossed = record(task="vessel.from.artery")
    crossed.provenance["facts"]["task"]["fitted_on"] = {"name": "artery"}
    boards = split_boards(frame(record(), crossed))
    assert sorted("tasks fitted on artery ·" in board.title for board in boards) == [False, True]
    assert sorted("tasks fitted on artery," in heading(board) for board in boards) == [False, True]


def test_an_untrained_backbone_is_called_so(frame: Any, record: Any) -> None:
    shared = "2D tasks · real data · preset standard · weak-probe"
    assert titles(frame(record(), record(init="in1k"))) == [
        f"{shared} · resnet18, init in1k",
        f"{shared} · resnet18, init random (untrained backbone)",
    ]


def test_only_the_settings_that_differ_are_named(frame: Any, record: Any) -> None:
    short = {"fit": {"epochs": 3, "lr": 0.001}, "precision": "float32"}
    other = {"fit": {"epochs": 5, "lr": 0.001}, "precision": "bfloat16"}
    elsewhere = {"fit": {"epochs": 90}}
    named = titles(
        frame(
            record(settings=short),
            record(settings=other),
            record(settings=elsewhere, preset="paper"),
        )
    )
    assert [title.rpartition(" · ")[2] for title in named] == [
        "resnet18, init random (untrained backbone)",
        'fit.epochs = 3, precision = "float32"',
        'fit.epochs = 5, precision = "bfloat16"',
    ]


def test_real_boards_come_first_and_phantoms_last(frame: Any, record: Any) -> None:
    runs = [
        record(source=source, dimension=dimension)
        for source in ("phantom", "embedded", "real")
        for dimension in (3, 2)
    ]
    assert [title.split(" · ")[:2] for title in titles(frame(*runs))] == [
        ["2D tasks", "real data"],
        ["3D tasks", "real data"],
        ["2D tasks", "embedded data"],
        ["3D tasks", "embedded data"],
        ["2D tasks", "phantom data"],
        ["3D tasks", "phantom data"],
    ]


def test_baselines_stand_on_each_board_of_their_data(frame: Any, record: Any) -> None:
    runs = [record("majority"), record(), record(init="in1k"), record(preset="paper")]
    boards = split_boards(frame(*runs))
    assert [board.plain for board in boards] == [[], ["majority"], ["majority"]]
    assert [board.methods for board in boards] == [["crossd"]] * 3


def test_baselines_are_those_on_the_runs_of_the_methods(frame: Any, record: Any) -> None:
    everywhere = [record("majority", task, fold) for task in ("blood", "derma") for fold in (0, 1)]
    (board,) = split_boards(frame(record("crossd", "blood", 1), *everywhere))
    assert board.folds == [(43, 1)]
    assert board.tasks == ["blood"]
    assert len(board.runs) == 2


def test_baselines_alone_have_a_board(frame: Any, record: Any) -> None:
    (board,) = split_boards(
        frame(record("logistic"), record("majority"), record("majority", fold=1))
    )
    assert board.methods == []
    assert board.plain == ["majority", "logistic"]
    assert board.title == "2D tasks · real data · preset standard"
    assert board.folds == [(43, 0), (43, 1)]


@pytest.mark.parametrize(
    ("change", "names"),
    [
        ({"method": "aaaa"}, ["crossd [source aaaa]", "crossd [source bbbb]"]),
        ({"init": "aaaa"}, ["crossd [weights aaaa]", "crossd [weights bbbb]"]),
        ({"config": "aaaa"}, ["crossd [settings aaaa]", "crossd [settings bbbb]"]),
    ],
)
def test_a_method_that_changed_is_two_methods(
    frame: Any, record: Any, change: dict[str, str], names: list[str]
) -> None:
    ((kind, _),) = change.items()
    init = "in1k"  # weights of the name "random" and another hash are on a board of their own
    runs = [record(init=init, hashes={kind: value}) for value in ("bbbb", "aaaa")]
    (board,) = split_boards(frame(*runs, record("acs", init=init)))
    assert board.methods == ["acs", *names]


def test_a_task_whose_data_changed_is_two_tasks(frame: Any, record: Any) -> None:
    runs = [
        record(method, hashes={"data": data, "method": method})
        for data in ("aaaa", "bbbb")
        for method in ("crossd", "majority")
    ]
    (board,) = split_boards(frame(*runs))
    assert board.tasks == ["blood [data aaaa]", "blood [data bbbb]"]
    assert board.superseded == 0


def test_of_two_records_of_one_run_the_later_counts(frame: Any, record: Any) -> None:
    runs = [
        record(score=score, hashes={"split": split}, provenance={"started": started})
        for score, split, started in ((0.1, "a", "2026-02-01"), (0.9, "b", "2026-01-01"))
    ]
    (board,) = split_boards(frame(*runs))
    assert list(board.runs["score"]) == [0.1]
    assert board.superseded == 1


# ------------------------------------------------------------------ the metric asked for


def test_mixed_main_metrics_are_one_board_that_ranks_by_the_commonest(
    frame: Any, record: Any
) -> None:
    runs = [record(method, "blood", metric="accuracy") for method in ("acs", "crossd")]
    runs += [record("crossd", task) for task in ("derma", "organc")]
    (board,) = split_boards(frame(*runs))
    assert board.declared == ("balanced_accuracy", "accuracy")
    assert board.metric == "balanced_accuracy"
    assert board.tasks == ["blood", "derma", "organc"]


def test_every_board_ranks_by_the_metric_that_is_asked_for(frame: Any, record: Any) -> None:
    runs = frame(record(), record(preset="paper", metric="accuracy"), record("majority", "derma"))
    assert {board.metric for board in split_boards(runs)} == {"balanced_accuracy", "accuracy"}
    boards = split_boards(runs, "auroc")
    assert [board.metric for board in boards] == ["auroc"] * len(boards)
    assert {board.declared for board in boards} == {("balanced_accuracy",), ("accuracy",)}


def test_an_unknown_metric_is_refused(frame: Any, record: Any) -> None:
    with pytest.raises(RequestError, match="unknown metric 'aurok'; did you mean auroc"):
        split_boards(frame(record()), "aurok")


def test_of_two_versions_of_a_task_the_later_counts_alone(frame: Any, record: Any) -> None:
    runs = [
        record(method, hashes={"data": data, "method": method}, provenance={"started": started})
        for data, started in (("aaaa", "2026-02-01"), ("bbbb", "2026-01-01"))
        for method in ("crossd", "acs")
    ]
    (board,) = split_boards(frame(*runs, record("crossd", "derma"), record("acs", "derma")))
    assert board.counted == ["blood [data aaaa]", "derma"]
    assert board.earlier == ["blood [data bbbb]"]
    assert set(board.named_runs["task"]) == set(board.counted)
