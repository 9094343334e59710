"""Cells of a board: means, ranks and marks, and what stands where runs are missing."""

from __future__ import annotations

from typing import Any

import pytest
from board_tables import column, runs_of, texts

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.table import Table
from crossbench.results.boards.tables import (
    leaderboards,
    task_tables,
)
from crossbench.results.report.render import render


def test_cells_are_mean_and_population_deviation(board: Table) -> None:
    assert texts(board, "blood") == {
        "crossd": "0.800 ± 0.000",
        "acs": "0.600 ± 0.100",
        "majority": "0.250 ± 0.000",
    }
    cell = column(board, "blood")["acs"]
    assert cell.value == pytest.approx(0.6)
    assert cell.spread == pytest.approx(0.1)
    assert (cell.count, cell.complete, cell.detail) == (2, True, "")
    assert board.subtitle == (
        "Balanced accuracy, mean ± population std over 2 runs (1 seed × 2 folds)"
    )


def test_methods_are_averaged_and_ranked_over_tasks_and_baselines_are_not_ranked(
    board: Table,
) -> None:
    assert [row.text for row in board.rows] == ["crossd", "acs", "majority"]
    assert [row.aside for row in board.rows] == [False, False, True]
    assert texts(board, "average") == {"crossd": "0.475", "acs": "0.450", "majority": "0.225"}
    assert texts(board, "mean rank") == {"crossd": "1.50", "acs": "1.50", "majority": ""}
    assert [header.label for header in board.columns if header.aside] == [
        "average (2 tasks)",
        "mean rank",
    ]


def test_the_best_method_of_each_task_is_marked(board: Table) -> None:
    best = {
        (row, name)
        for name in ("blood", "derma", "average")
        for row, cell in column(board, name).items()
        if cell.best
    }
    assert best == {("crossd", "blood"), ("acs", "derma"), ("crossd", "average")}


def test_what_is_no_better_than_guessing_is_marked(board: Table) -> None:
    marked = {row for row, cell in column(board, "derma").items() if "†" in cell.mark}
    assert marked == {"crossd"}
    assert "† no better than guessing the majority class." in board.notes
    assert not any("†" in cell.mark for cell in column(board, "blood").values())


def test_as_good_as_guessing_is_no_better(frame: Any, record: Any) -> None:
    (table,) = leaderboards(split_boards(frame(record(score=0.25), record("majority", score=0.25))))
    assert column(table, "blood")["crossd"].mark == "†"
    assert column(table, "blood")["majority"].mark == ""


def test_a_baseline_that_beats_all_methods_is_not_the_best(frame: Any, record: Any) -> None:
    (table,) = leaderboards(
        split_boards(
            frame(
                record("acs", score=0.5), record("crossd", score=0.6), record("logistic", score=0.9)
            )
        )
    )
    assert [row for row, cell in column(table, "blood").items() if cell.best] == ["crossd"]


def test_equal_scores_share_their_mean_rank(frame: Any, record: Any) -> None:
    scores = {"acs": 0.5, "conv3d": 0.5, "crossd": 0.25}
    (table,) = leaderboards(
        split_boards(
            frame(
                *(
                    record(name, task, score=score)
                    for name, score in scores.items()
                    for task in ("blood", "derma")
                )
            )
        )
    )
    assert texts(table, "mean rank") == {"acs": "1.50", "conv3d": "1.50", "crossd": "3.00"}
    assert [cell.best for cell in column(table, "blood").values()] == [True, True, False]


def test_for_a_loss_lower_is_better(frame: Any, record: Any) -> None:
    runs = [
        record(name, task, metric="log_loss", metrics={"log_loss": loss})
        for name, loss in (("acs", 0.4), ("crossd", 0.9), ("majority", 0.7))
        for task in ("blood", "derma")
    ]
    (table,) = leaderboards(split_boards(frame(*runs)))
    assert [row.text for row in table.rows] == ["acs", "crossd", "majority"]
    assert texts(table, "mean rank") == {"acs": "1.00", "crossd": "2.00", "majority": ""}
    assert [cell.best for cell in column(table, "blood").values()] == [True, False, False]
    assert [cell.mark for cell in column(table, "blood").values()] == ["", "†‡", ""]
    assert table.subtitle.startswith("Log loss of one run, seed 43 fold 0")


def test_what_was_trained_stands_beside_the_score(frame: Any, record: Any) -> None:
    def runs(method: str, trainable: int) -> Any:
        parameters = {"total": 10**7, "trainable": trainable}
        return runs_of(record, method, "blood", [0.5, 0.6], parameters=parameters)

    (table,) = leaderboards(
        split_boards(
            frame(*runs("acs", 71_846), *runs("conv3d", 195_722), record("majority", score=0.25))
        )
    )
    assert table.columns[-1].label == "trainable parameters"
    assert texts(table, "trainable parameters") == {
        "acs": "71,846",
        "conv3d": "195,722",
        "majority": "",
    }
    assert column(table, "trainable parameters")["conv3d"].value == 195_722


def test_one_run_has_no_deviation(frame: Any, record: Any) -> None:
    (table,) = leaderboards(split_boards(frame(record(score=0.5))))
    assert texts(table, "blood") == {"crossd": "0.500"}
    assert column(table, "blood")["crossd"].spread is None
    assert [header.text for header in table.columns] == ["blood"]
    assert "No majority-class runs here to compare with." in table.notes


def test_one_task_has_the_intervals_of_its_metrics(frame: Any, record: Any) -> None:
    (table,) = task_tables(frame(*runs_of(record, "acs", "blood", [0.5, 0.6, 0.7])), "blood")
    cell = column(table, "Balanced accuracy")["acs"]
    # s = 0.1, S = s sqrt(1/3 + 1/4), t(0.975, 2) = 4.303
    assert cell.detail == "0.271 to 0.929"
    assert any("corrected for their overlapping training parts" in note for note in table.notes)


def test_a_cell_that_lacks_runs_says_so_and_is_not_compared(
    frame: Any, record: Any, failure: Any
) -> None:
    (table,) = leaderboards(
        split_boards(
            frame(
                *runs_of(record, "acs", "blood", [0.5, 0.5, 0.5]),
                *runs_of(record, "acs", "derma", [0.5, 0.5, 0.5]),
                *runs_of(record, "conv2d", "blood", [0.4, 0.4, 0.4]),
                *runs_of(record, "conv2d", "derma", [0.4, 0.4, 0.4]),
                *runs_of(record, "crossd", "blood", [0.8, 1.0]),
                failure("crossd", "blood", 2),
                *runs_of(record, "crossd", "derma", [0.6]),
                *runs_of(record, "majority", "blood", [1.0, 1.0, 1.0]),
            )
        )
    )
    cells = column(table, "blood")
    assert cells["crossd"].text == "0.900 ± 0.100"
    assert cells["crossd"].detail == "2/3 runs, 1 failed"
    assert not cells["crossd"].best
    assert not cells["crossd"].mark
    assert [row for row, cell in cells.items() if cell.best] == ["acs"]
    assert column(table, "derma")["crossd"].detail == "1/3 runs"
    assert column(table, "derma")["majority"].text == "–"

    average = column(table, "average")
    assert (average["crossd"].text, average["crossd"].detail) == ("–", "0/2 tasks")
    assert (average["majority"].text, average["majority"].detail) == ("1.000", "1/2 tasks")
    assert (average["acs"].text, average["acs"].detail) == ("0.500", "")
    assert texts(table, "mean rank") == {
        "acs": "1.00",
        "conv2d": "2.00",
        "crossd": "–",
        "majority": "",
    }
    assert "Not ranked, for they lack runs of some tasks: crossd (0 of 2)." in table.notes


def test_a_mean_over_fewer_tasks_names_them_and_has_no_rank(frame: Any, record: Any) -> None:
    (table,) = leaderboards(
        split_boards(
            frame(
                *(record("acs", task, score=0.5) for task in ("blood", "brain", "derma")),
                *(record("crossd", task, score=0.9) for task in ("blood", "brain")),
            )
        )
    )
    average = column(table, "average")
    assert [row.text for row in table.rows] == ["acs", "crossd"]
    assert (average["crossd"].text, average["crossd"].detail) == ("0.900", "2/3 tasks")
    assert average["crossd"].count == 2
    assert not average["crossd"].best
    assert "mean rank" not in [header.text for header in table.columns]


def test_failures_are_no_zeros(frame: Any, record: Any, failure: Any) -> None:
    (table,) = leaderboards(
        split_boards(
            frame(
                *runs_of(record, "acs", "blood", [0.5, 0.5]),
                failure("crossd", "blood", 0),
                failure("crossd", "blood", 1),
            )
        )
    )
    cell = column(table, "blood")["crossd"]
    assert (cell.text, cell.value, cell.count) == ("failed (2)", None, 0)


def test_a_run_that_does_not_apply_says_so(frame: Any, record: Any) -> None:
    reason = {"class": "NotApplicable", "message": "conv2d has no 3D form"}
    skipped = record("conv2d", status="skipped", error=reason)
    (table,) = leaderboards(split_boards(frame(record("acs"), skipped)))
    assert texts(table, "blood") == {"acs": "0.500", "conv2d": "n/a"}


def test_an_undefined_metric_is_no_number(frame: Any, record: Any) -> None:
    (table,) = leaderboards(
        split_boards(
            frame(
                *runs_of(record, "acs", "blood", [0.5, None]),
                *runs_of(record, "crossd", "blood", [None, None]),
            )
        )
    )
    cells = column(table, "blood")
    assert (cells["acs"].text, cells["acs"].detail) == ("0.500", "1/2 runs, 1 undefined")
    assert cells["crossd"].text == "undefined (2)"


def lacking(reason: str = "class 'atypical': absent from the labels") -> dict[str, Any]:
    names = ("balanced_accuracy", "precision", "recall", "f1")
    return {
        "partial": dict.fromkeys(names, reason),
        "undefined": {"auroc": reason},
        "metrics": {"balanced_accuracy": 0.5, "accuracy": 0.5, "log_loss": 0.7, "auroc": None},
    }


def test_a_mean_over_fewer_classes_is_marked_wherever_it_is_averaged(
    frame: Any, record: Any
) -> None:
    runs = [
        record(method, task, fold=fold, **(lacking() if (task, fold) == ("blood", 1) else {}))
        for method in ("acs", "crossd", "majority")
        for task in ("blood", "derma")
        for fold in range(3)
    ]
    (table,) = leaderboards(split_boards(frame(*runs)))
    marks = {name: column(table, name)["acs"].mark for name in ("blood", "derma", "average")}
    assert {name for name, mark in marks.items() if "§" in mark} == {"blood", "average"}
    assert "§" in column(table, "blood")["majority"].mark
    (note,) = [note for note in table.notes if note.startswith("§")]
    assert "(blood: class 'atypical': absent from the labels)" in note
    for form in ("table", "markdown", "html"):
        assert "§" in render([table], form)
    assert r"$^{\S}$" in render([table], "latex")


def test_a_metric_that_is_no_mean_over_classes_is_not_marked(frame: Any, record: Any) -> None:
    runs = [record(method, **lacking()) for method in ("acs", "crossd")]
    (table,) = leaderboards(split_boards(frame(*runs), "accuracy"))
    assert not any("§" in note for note in table.notes)
    (every,) = task_tables(frame(*runs), "blood")
    assert column(every, "Balanced accuracy")["acs"].mark == "§"
    assert column(every, "Accuracy")["acs"].mark == ""
    assert column(every, "Macro AUROC, one-vs-rest")["acs"].text == "undefined"
