from __future__ import annotations

from typing import Any

import pytest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.titles import (
    differing_settings,
    heading,
    headings,
    setting_line,
)


def boards_of(frame: Any, *records: Any) -> Any:
    return split_boards(frame(*records))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "2D tasks, random weights, weak probe"),
        ({"dimension": 3, "protocol": "linear-probe"}, "3D tasks, random weights, linear probe"),
        ({"init": "in1k", "protocol": "lora"}, "2D tasks, weights in1k, LoRA"),
        ({"init": "none", "protocol": "finetune"}, "2D tasks, fine-tuning"),
        ({"source": "phantom"}, "Phantoms of 2D tasks, random weights, weak probe"),
        ({"protocol": "my-own"}, "2D tasks, random weights, my own"),
        ({"method": "majority"}, "2D tasks, plain baselines alone"),
    ],
)
def test_a_board_is_named_in_words(
    frame: Any, record: Any, change: dict[str, Any], words: str
) -> None:
    (board,) = boards_of(frame, record(**change))
    assert heading(board) == words


def test_a_kind_that_names_its_tasks_has_boards_of_its_own(frame: Any, record: Any) -> None:
    runs = frame(record(), record("conv2d")).assign(kind=["image", "recording"])
    boards = split_boards(runs)
    assert [heading(board).partition(",")[0] for board in boards] == ["2D tasks", "fMRI tasks"]
    assert boards[1].title.startswith("fMRI tasks · real data")


def test_numbers_of_labelled_samples_are_told_in_words(frame: Any, record: Any) -> None:
    limits = ({"split": {"max_labelled": limit}} for limit in (16, None))
    boards = boards_of(frame, *(record(settings=each) for each in limits))
    ends = [name.rpartition(" · ")[2] for name in headings(boards)]
    assert sorted(ends) == ["16 labelled", "all labelled"]


def test_boards_of_one_heading_are_told_apart_by_what_differs(frame: Any, record: Any) -> None:
    boards = boards_of(
        frame,
        record(),
        record(preset="transfer"),
        record(preset="transfer", backbone="resnet50"),
        record(preset="transfer", backbone="resnet50", settings={"fit": {"epochs": 3}}),
        record(dimension=3, preset="transfer"),
    )
    told = dict(zip((board.title for board in boards), headings(boards), strict=True))
    words = "2D tasks, random weights, weak probe"
    assert sorted(told.values()) == sorted(
        [
            f"{words} · preset standard",
            f"{words} · preset transfer · resnet18",
            f"{words} · preset transfer · resnet50 · fit.epochs = 15, fit.lr = 0.001",
            f"{words} · preset transfer · resnet50 · fit.epochs = 3, fit.lr = null",
            "3D tasks, random weights, weak probe",
        ]
    )


def test_the_line_below_names_what_is_not_the_presets(frame: Any, record: Any) -> None:
    records = [
        record(fold=fold, settings={"fit": {"epochs": 3, "lr": 1e-3}, "precision": "bfloat16"})
        for fold in range(2)
    ]
    (board,) = boards_of(frame, *records)
    assert differing_settings(board) == {"fit.epochs": 3, "compute.precision": "bfloat16"}
    line = setting_line(board)
    assert line.endswith(
        " data · preset standard · resnet18 · 2 runs (1 seed × 2 folds) a cell · fit.epochs = 3 "
        '· compute.precision = "bfloat16"'
    )


def test_of_an_unknown_preset_nothing_is_known_to_differ(frame: Any, record: Any) -> None:
    (board,) = boards_of(frame, record(preset="theirs"))
    assert differing_settings(board) == {}
    assert "preset theirs" in setting_line(board)
