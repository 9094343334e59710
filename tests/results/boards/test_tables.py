"""Boards and tables as a whole, for people and for programs, and lists of failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from board_tables import column, texts

from crossbench.errors import RequestError
from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.table import Table
from crossbench.results.boards.tables import (
    PHANTOM,
    broken_files,
    failures,
    leaderboards,
    task_tables,
)
from crossbench.results.records.store import Broken


def test_a_table_is_cut_to_some_of_its_columns(board: Table) -> None:
    some = board.only(["mean rank", "blood", "no such column"])
    assert [column.text for column in some.columns] == ["blood", "mean rank"]
    assert column(some, "blood") == column(board, "blood")
    assert some.rows == board.rows
    assert board.only([]).cells == ((),) * len(board.rows)


def test_a_board_says_for_programs_what_its_figures_are(
    board: Table, frame: Any, record: Any
) -> None:
    assert dict(board.shared) == {
        "source": "real",
        "dimension": "2",
        "preset": "standard",
        "protocol": "weak-probe",
        "backbone": "resnet18",
        "init": "random",
        "settings": "",
    }
    metrics = {header.text: header.metric for header in board.columns}
    assert metrics["blood"] == metrics["average"] == "balanced_accuracy"
    assert metrics["mean rank"] == ""
    (table,) = task_tables(frame(record()), "blood")
    assert {"accuracy", "balanced_accuracy"} <= {header.metric for header in table.columns}


def test_settings_that_tell_boards_apart_are_there_for_programs(frame: Any, record: Any) -> None:
    tables = leaderboards(split_boards(frame(record(), record(settings={"fit": {"epochs": 5}}))))
    assert sorted(dict(table.shared)["settings"] for table in tables) == [
        "fit.epochs = 15, fit.lr = 0.001",
        "fit.epochs = 5, fit.lr = null",
    ]


def test_tasks_stand_in_the_groups_of_their_cards_with_a_mean_each(frame: Any, record: Any) -> None:
    groups = {"organc": "radiology-2d", "organs": "radiology-2d", "blood": "other-2d"}
    scores = {"a-private-task": 0.1, "blood": 0.3, "organc": 0.5, "organs": 0.7}
    runs = [record("acs", task, score=score) for task, score in scores.items()]
    (table,) = leaderboards(split_boards(frame(*runs)), groups)
    assert [header.label for header in table.columns] == [
        "organc",
        "organs",
        "average 2D radiology (2 tasks)",
        "blood",
        "a-private-task",
        "average (4 tasks)",
    ]
    assert texts(table, "average 2D radiology") == {"acs": "0.600"}
    assert texts(table, "average") == {"acs": "0.400"}


def test_tasks_of_one_group_have_one_mean(frame: Any, record: Any) -> None:
    groups = {"blood": "other-2d", "derma": "other-2d"}
    (table,) = leaderboards(split_boards(frame(record(), record(task="derma"))), groups)
    assert [header.text for header in table.columns] == ["blood", "derma", "average"]


def test_phantom_boards_say_so(frame: Any, record: Any) -> None:
    real, phantom = leaderboards(split_boards(frame(record(), record(source="phantom"))))
    assert phantom.caution == PHANTOM == "PHANTOM DATA: says nothing about real tasks"
    assert real.caution == ""
    assert task_tables(frame(record(source="phantom")), "blood")[0].caution == PHANTOM


def test_a_metric_this_crossbench_does_not_know_is_shown(frame: Any, record: Any) -> None:
    (table,) = leaderboards(split_boards(frame(record(metric="kappa", metrics={"kappa": 0.25}))))
    assert texts(table, "blood") == {"crossd": "0.250"}
    assert table.subtitle.startswith("kappa of one run")


def test_one_task_with_every_metric(frame: Any, record: Any) -> None:
    metrics = [
        {"accuracy": 0.9, "balanced_accuracy": 0.5, "log_loss": 0.2, "auroc": None},
        {"accuracy": 0.8, "balanced_accuracy": 0.6, "log_loss": 0.4, "auroc": 0.5},
    ]
    runs = [record(name, metrics=values) for name, values in zip(("acs", "crossd"), metrics)]  # noqa: B905
    (table,) = task_tables(frame(*runs, record(task="derma")), "blood")
    assert table.title.startswith("blood · 2D tasks")
    assert table.subtitle == "Every metric of one run, seed 43 fold 0"
    assert texts(table, "Accuracy") == {"acs": "0.900", "crossd": "0.800"}
    best = {
        header.text: [
            row.text
            for row, cells in zip(table.rows, table.cells, strict=True)
            if cells[index].best
        ]
        for index, header in enumerate(table.columns)
    }
    assert best["Accuracy"] == ["acs"]
    assert best["Balanced accuracy"] == ["crossd"]
    assert best["Log loss"] == ["acs"]
    assert best["Macro AUROC, one-vs-rest"] == []
    assert column(table, "Macro AUROC, one-vs-rest")["acs"].text == "undefined"
    assert "Log loss (lower is better)" in [header.label for header in table.columns]


def test_a_task_without_runs_is_an_error(frame: Any, record: Any) -> None:
    with pytest.raises(RequestError, match="unknown task 'blod'; did you mean blood"):
        task_tables(frame(record()), "blod")


def test_equal_failures_are_told_once(frame: Any, record: Any, failure: Any) -> None:
    skipped = record("acs", status="skipped", error={"class": "", "message": "has no 2D form"})
    (table,) = failures(
        frame(
            record(),
            failure(fold=0),
            failure(fold=2),
            failure(seed=44, fold=1),
            failure("conv2d", message="no such layer"),
            skipped,
        )
    )
    assert table.is_list
    listed = [
        (row.text, *(cell.text for cell in cells))
        for row, cells in zip(table.rows, table.cells, strict=True)
    ]
    assert listed == [
        ("acs on blood", "standard", "skipped", "seed 43 fold 0", "has no 2D form"),
        ("conv2d on blood", "standard", "failed", "seed 43 fold 0", "RuntimeError: no such layer"),
        (
            "crossd on blood",
            "standard",
            "failed",
            "seed 43 folds 0 2, seed 44 fold 1",
            "RuntimeError: out of memory",
        ),
    ]


def test_where_nothing_failed_there_is_no_list(frame: Any, record: Any) -> None:
    assert failures(frame(record())) == []
    assert broken_files([]) == []


def test_broken_files_are_listed_with_their_reason() -> None:
    (table,) = broken_files([Broken(Path("a.json"), "no run record")])
    assert table.rows[0].text == "a.json"
    assert table.cells[0][0].text == "no run record"
