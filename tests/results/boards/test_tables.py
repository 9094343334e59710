from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossbench.errors import RequestError
from crossbench.results.boards.table import Cell, Table
from crossbench.results.boards.tables import (
    PHANTOM,
    broken_files,
    failures,
    leaderboards,
    task_tables,
)
from crossbench.results.records.store import Broken
from crossbench.results.report.render import render


def column(table: Table, name: str) -> dict[str, Cell]:
    index = [header.text for header in table.columns].index(name)
    return {row.text: cells[index] for row, cells in zip(table.rows, table.cells, strict=True)}


def texts(table: Table, name: str) -> dict[str, str]:
    return {row: cell.text for row, cell in column(table, name).items()}


def runs_of(record: Any, method: str, task: str, scores: list[float | None], **more: Any) -> Any:
    return [record(method, task, fold, score=score, **more) for fold, score in enumerate(scores)]


@pytest.fixture
def board(frame: Any, record: Any) -> Table:
    """Two methods and a baseline on two tasks, two folds each."""
    (table,) = leaderboards(
        frame(
            *runs_of(record, "acs", "blood", [0.5, 0.7]),
            *runs_of(record, "acs", "derma", [0.2, 0.4]),
            *runs_of(record, "crossd", "blood", [0.8, 0.8]),
            *runs_of(record, "crossd", "derma", [0.1, 0.2]),
            *runs_of(record, "majority", "blood", [0.25, 0.25]),
            *runs_of(record, "majority", "derma", [0.2, 0.2]),
        )
    )
    return table


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
    tables = leaderboards(frame(record(), record(settings={"fit": {"epochs": 5}})))
    assert sorted(dict(table.shared)["settings"] for table in tables) == [
        "fit.epochs = 15, fit.lr = 0.001",
        "fit.epochs = 5, fit.lr = null",
    ]


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
    (table,) = leaderboards(frame(record(score=0.25), record("majority", score=0.25)))
    assert column(table, "blood")["crossd"].mark == "†"
    assert column(table, "blood")["majority"].mark == ""


def test_a_baseline_that_beats_all_methods_is_not_the_best(frame: Any, record: Any) -> None:
    (table,) = leaderboards(
        frame(record("acs", score=0.5), record("crossd", score=0.6), record("logistic", score=0.9))
    )
    assert [row for row, cell in column(table, "blood").items() if cell.best] == ["crossd"]


def test_equal_scores_share_their_mean_rank(frame: Any, record: Any) -> None:
    scores = {"acs": 0.5, "conv3d": 0.5, "crossd": 0.25}
    (table,) = leaderboards(
        frame(
            *(
                record(name, task, score=score)
                for name, score in scores.items()
                for task in ("blood", "derma")
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
    (table,) = leaderboards(frame(*runs))
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
        frame(*runs("acs", 71_846), *runs("conv3d", 195_722), record("majority", score=0.25))
    )
    assert table.columns[-1].label == "trainable parameters"
    assert texts(table, "trainable parameters") == {
        "acs": "71,846",
        "conv3d": "195,722",
        "majority": "",
    }
    assert column(table, "trainable parameters")["conv3d"].value == 195_722


def test_one_run_has_no_deviation(frame: Any, record: Any) -> None:
    (table,) = leaderboards(frame(record(score=0.5)))
    assert texts(table, "blood") == {"crossd": "0.500"}
    assert column(table, "blood")["crossd"].spread is None
    assert [header.text for header in table.columns] == ["blood"]
    assert "No majority-class runs here to compare with." in table.notes


# ------------------------------------------------------------ what the numbers carry


def test_methods_not_shown_to_differ_from_the_best_of_a_task_are_marked(
    frame: Any, record: Any
) -> None:
    level = [0.68, 0.71, 0.70, 0.72, 0.69]
    noise = [0.002, -0.001, 0.001, 0.0, -0.002]
    behind = {"best": 0.0, "near": 0.001, "far": 0.1}
    (table,) = leaderboards(
        frame(
            *(
                record(name, "blood", fold, score=level[fold] - gap + bool(gap) * noise[fold])
                for name, gap in behind.items()
                for fold in range(5)
            ),
            *runs_of(record, "majority", "blood", [0.5] * 5),
        )
    )
    marks = {name: cell.mark for name, cell in column(table, "blood").items()}
    assert marks == {"best": "", "near": "‡", "far": "", "majority": ""}
    assert (
        "‡ not shown to differ from the best of its task at 5 % (corrected resampled t over 5 "
        "paired runs, Holm over the pairs of methods on all tasks)."
    ) in table.notes


def test_a_single_run_shows_no_difference_and_says_why(frame: Any, record: Any) -> None:
    (table,) = leaderboards(frame(record("acs", score=0.9), record("crossd", score=0.1)))
    assert column(table, "blood")["crossd"].mark == "‡"
    assert any("a single run or fold carries no test" in note for note in table.notes)


def test_below_six_tasks_there_is_no_claim_and_no_interval(frame: Any, record: Any) -> None:
    runs = [record(name, f"task-{n}") for name in ("acs", "crossd") for n in range(5)]
    (table,) = leaderboards(frame(*runs))
    assert "No claim over tasks: 5 tasks, 6 are needed." in table.notes
    for name in ("average", "mean rank"):
        cell = column(table, name)["acs"]
        assert (cell.low, cell.high, cell.detail) == (None, None, "")


def test_from_six_tasks_on_means_and_ranks_have_intervals(frame: Any, record: Any) -> None:
    runs = [
        record(name, f"task-{n}", score=score + 0.01 * n)
        for name, score in (("acs", 0.5), ("crossd", 0.6))
        for n in range(6)
    ]
    (table,) = leaderboards(frame(*runs))
    average, rank = column(table, "average")["crossd"], column(table, "mean rank")["crossd"]
    assert average.value == pytest.approx(0.625)
    assert average.low is not None
    assert average.high is not None
    assert average.low < 0.625 < average.high
    assert average.detail == f"{average.low:.3f} to {average.high:.3f}"
    assert (rank.text, rank.detail, rank.best) == ("1.00", "", True)  # none: it does not vary
    assert column(table, "mean rank")["acs"].mark == ""
    assert any("test over N = 6 tasks, Holm over" in note for note in table.notes)
    assert any("of an average, tasks resampled" in note for note in table.notes)


def test_where_no_difference_could_be_shown_no_rank_is_marked(frame: Any, record: Any) -> None:
    """Ten pairs over eight tasks: Holm's smallest p is 10 / 2**7 = 0.078, on a clean sweep."""
    runs = [
        record(name, f"task-{n}", score=0.5 + 0.05 * place + 0.001 * n)
        for place, name in enumerate("abcde")
        for n in range(8)
    ]
    (table,) = leaderboards(frame(*runs))
    assert {cell.mark for cell in column(table, "mean rank").values()} == {""}
    assert (
        "Mean rank: no difference could be shown here (smallest attainable p = 0.078 after Holm "
        "over 10 pairs)."
    ) in table.notes


def test_one_task_is_marked_as_on_the_board_of_all(frame: Any, record: Any) -> None:
    """The pairs of every task are one family, whichever of them is looked at."""
    level = [0.68, 0.71, 0.70, 0.72, 0.69]
    noise = [0.02, -0.01, 0.01, 0.0, -0.02]
    runs = [
        record(name, task, fold, score=level[fold] - gap + bool(gap) * noise[fold])
        for task, gap_of_far in (("blood", 0.036), ("vessel", 0.001), ("breast", 0.001))
        for name, gap in {"best": 0.0, "far": gap_of_far}.items()
        for fold in range(5)
    ]
    (board,), (only,) = leaderboards(frame(*runs)), leaderboards(frame(*runs[:10]))
    assert column(only, "blood")["far"].mark == ""
    assert column(board, "blood")["far"].mark == "‡"
    (table,) = task_tables(frame(*runs), "blood")
    assert column(table, "Balanced accuracy")["far"].mark == "‡"


def test_a_board_says_of_which_weights_it_speaks(frame: Any, record: Any) -> None:
    def note(*seeds: int, **changes: Any) -> str:
        runs = [
            record(name, fold=fold, seed=seed, **changes)
            for name in ("acs", "crossd")
            for seed in seeds
            for fold in range(3)
        ]
        (table,) = leaderboards(frame(*runs))
        return " ".join(each for each in table.notes if "share" in each)

    said = "A method's runs of a task share {} of weights: what is shown on a task holds for these"
    probe = {"protocol": "linear-probe"}
    assert note(43) == ""
    assert note(43, 44, **probe) == f"{said.format('2 sets')} weights."
    assert note(43, **probe) == (
        f"{said.format('one set')} alone, and of one random draw nothing is tested."
    )
    one = {"init": "in1k", "hashes": {"init": "a"}}
    assert note(43, 44, **one) == f"{said.format('one set')} weights."


def test_ranks_that_are_not_told_apart_are_marked(frame: Any, record: Any) -> None:
    runs = [
        record(name, f"task-{n}", score=score + 0.05 * (n % 2) * sign)
        for name, score, sign in (("acs", 0.5, 1), ("crossd", 0.52, -1))
        for n in range(7)
    ]
    (table,) = leaderboards(frame(*runs))
    assert {name: cell.mark for name, cell in column(table, "mean rank").items()} == {
        "crossd": "",
        "acs": "‡",
    }


def test_tasks_stand_in_the_groups_of_their_cards_with_a_mean_each(frame: Any, record: Any) -> None:
    groups = {"organc": "radiology-2d", "organs": "radiology-2d", "blood": "other-2d"}
    scores = {"a-private-task": 0.1, "blood": 0.3, "organc": 0.5, "organs": 0.7}
    runs = [record("acs", task, score=score) for task, score in scores.items()]
    (table,) = leaderboards(frame(*runs), groups)
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
    (table,) = leaderboards(frame(record(), record(task="derma")), groups)
    assert [header.text for header in table.columns] == ["blood", "derma", "average"]


def test_one_task_has_the_intervals_of_its_metrics(frame: Any, record: Any) -> None:
    (table,) = task_tables(frame(*runs_of(record, "acs", "blood", [0.5, 0.6, 0.7])), "blood")
    cell = column(table, "Balanced accuracy")["acs"]
    # s = 0.1, S = s sqrt(1/3 + 1/4), t(0.975, 2) = 4.303
    assert cell.detail == "0.271 to 0.929"
    assert any("corrected for their overlapping training parts" in note for note in table.notes)


# ------------------------------------------------------------------ what is missing


def test_a_cell_that_lacks_runs_says_so_and_is_not_compared(
    frame: Any, record: Any, failure: Any
) -> None:
    (table,) = leaderboards(
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
        frame(
            *(record("acs", task, score=0.5) for task in ("blood", "brain", "derma")),
            *(record("crossd", task, score=0.9) for task in ("blood", "brain")),
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
        frame(
            *runs_of(record, "acs", "blood", [0.5, 0.5]),
            failure("crossd", "blood", 0),
            failure("crossd", "blood", 1),
        )
    )
    cell = column(table, "blood")["crossd"]
    assert (cell.text, cell.value, cell.count) == ("failed (2)", None, 0)


def test_a_run_that_does_not_apply_says_so(frame: Any, record: Any) -> None:
    reason = {"class": "NotApplicable", "message": "conv2d has no 3D form"}
    skipped = record("conv2d", status="skipped", error=reason)
    (table,) = leaderboards(frame(record("acs"), skipped))
    assert texts(table, "blood") == {"acs": "0.500", "conv2d": "n/a"}


def test_an_undefined_metric_is_no_number(frame: Any, record: Any) -> None:
    (table,) = leaderboards(
        frame(
            *runs_of(record, "acs", "blood", [0.5, None]),
            *runs_of(record, "crossd", "blood", [None, None]),
        )
    )
    cells = column(table, "blood")
    assert (cells["acs"].text, cells["acs"].detail) == ("0.500", "1/2 runs, 1 undefined")
    assert cells["crossd"].text == "undefined (2)"


def test_runs_of_several_seeds_are_counted(frame: Any, record: Any) -> None:
    runs = [record(seed=seed, fold=fold) for seed in (43, 44) for fold in range(3)]
    assert "over 6 runs (2 seeds × 3 folds)" in leaderboards(frame(*runs))[0].subtitle
    assert leaderboards(frame(*runs[:-1]))[0].subtitle.endswith("over 5 runs")


# -------------------------------------------------------------------- what is shown


def test_phantom_boards_say_so(frame: Any, record: Any) -> None:
    real, phantom = leaderboards(frame(record(), record(source="phantom")))
    assert phantom.caution == PHANTOM == "PHANTOM DATA: says nothing about real tasks"
    assert real.caution == ""
    assert task_tables(frame(record(source="phantom")), "blood")[0].caution == PHANTOM


def test_ungrouped_tasks_are_called_so(frame: Any, record: Any) -> None:
    grouped, ungrouped = record(), record(task="derma", grouped=False)
    (table,) = leaderboards(frame(grouped, ungrouped))
    assert [header.label for header in table.columns[:2]] == ["blood", "derma (ungrouped)"]
    assert any(note.startswith("Where said, a task is ungrouped") for note in table.notes)

    (table,) = leaderboards(frame(ungrouped))
    assert table.columns[0].label == "derma"
    assert any(note.startswith("All tasks are ungrouped") for note in table.notes)

    (table,) = leaderboards(frame(grouped, record(task="derma", grouped=None)))
    assert not any("ungrouped" in note for note in table.notes)


def test_records_left_out_are_counted(frame: Any, record: Any) -> None:
    runs = [record(hashes={"split": split}) for split in ("a", "b")]
    (table,) = leaderboards(frame(*runs))
    assert "Left out: 1 older record of the same runs, from before their splits changed." in (
        table.notes
    )


def test_a_metric_this_crossbench_does_not_know_is_shown(frame: Any, record: Any) -> None:
    (table,) = leaderboards(frame(record(metric="kappa", metrics={"kappa": 0.25})))
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


def test_two_versions_of_one_task_are_not_two_of_the_six_that_a_claim_needs(
    frame: Any, record: Any
) -> None:
    runs = [
        record(method, f"task-{number}", score=score + number / 20)
        for number in range(5)
        for method, score in (("acs", 0.5), ("crossd", 0.6))
    ]
    runs += [
        record(method, "task-0", score=0.1, hashes={"data": "old", "method": method},
               provenance={"started": "2025-01-01"})
        for method in ("acs", "crossd")
    ]  # fmt: skip
    (table,) = leaderboards(frame(*runs))
    assert "No claim over tasks: 5 tasks, 6 are needed." in table.notes
    (average,) = [header for header in table.columns if header.text == "average"]
    assert average.detail == "5 tasks"
    assert column(table, "average")["crossd"].value == pytest.approx(0.7)
    (old,) = [header for header in table.columns if header.text == "task-0 [data old]"]
    assert (old.detail, old.aside) == ("superseded data", True)
    assert any(note.endswith("versions of one that is: task-0 [data old].") for note in table.notes)


# --------------------------------------------- a test part that lacks one of the classes


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
    (table,) = leaderboards(frame(*runs))
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
    (table,) = leaderboards(frame(*runs), metric="accuracy")
    assert not any("§" in note for note in table.notes)
    (every,) = task_tables(frame(*runs), "blood")
    assert column(every, "Balanced accuracy")["acs"].mark == "§"
    assert column(every, "Accuracy")["acs"].mark == ""
    assert column(every, "Macro AUROC, one-vs-rest")["acs"].text == "undefined"
