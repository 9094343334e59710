"""What a board's numbers carry: its notes, and the marks that they explain."""

from __future__ import annotations

from typing import Any

import pytest
from board_tables import column, runs_of

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.tables import (
    leaderboards,
    task_tables,
)


def test_methods_not_shown_to_differ_from_the_best_of_a_task_are_marked(
    frame: Any, record: Any
) -> None:
    level = [0.68, 0.71, 0.70, 0.72, 0.69]
    noise = [0.002, -0.001, 0.001, 0.0, -0.002]
    behind = {"best": 0.0, "near": 0.001, "far": 0.1}
    (table,) = leaderboards(
        split_boards(
            frame(
                *(
                    record(name, "blood", fold, score=level[fold] - gap + bool(gap) * noise[fold])
                    for name, gap in behind.items()
                    for fold in range(5)
                ),
                *runs_of(record, "majority", "blood", [0.5] * 5),
            )
        )
    )
    marks = {name: cell.mark for name, cell in column(table, "blood").items()}
    assert marks == {"best": "", "near": "‡", "far": "", "majority": ""}
    assert (
        "‡ not shown to differ from the best of its task at 5 % (corrected resampled t over 5 "
        "paired runs, Holm over the pairs of methods on all tasks)."
    ) in table.notes


def test_a_single_run_shows_no_difference_and_says_why(frame: Any, record: Any) -> None:
    (table,) = leaderboards(
        split_boards(frame(record("acs", score=0.9), record("crossd", score=0.1)))
    )
    assert column(table, "blood")["crossd"].mark == "‡"
    assert any("a single run or fold carries no test" in note for note in table.notes)


def test_below_six_tasks_there_is_no_claim_and_no_interval(frame: Any, record: Any) -> None:
    runs = [record(name, f"task-{n}") for name in ("acs", "crossd") for n in range(5)]
    (table,) = leaderboards(split_boards(frame(*runs)))
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
    (table,) = leaderboards(split_boards(frame(*runs)))
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
    (table,) = leaderboards(split_boards(frame(*runs)))
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
    (board,), (only,) = (
        leaderboards(split_boards(frame(*runs))),
        leaderboards(split_boards(frame(*runs[:10]))),
    )
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
        (table,) = leaderboards(split_boards(frame(*runs)))
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
    (table,) = leaderboards(split_boards(frame(*runs)))
    assert {name: cell.mark for name, cell in column(table, "mean rank").items()} == {
        "crossd": "",
        "acs": "‡",
    }


def test_runs_of_several_seeds_are_counted(frame: Any, record: Any) -> None:
    runs = [record(seed=seed, fold=fold) for seed in (43, 44) for fold in range(3)]
    assert "over 6 runs (2 seeds × 3 folds)" in leaderboards(split_boards(frame(*runs)))[0].subtitle
    assert leaderboards(split_boards(frame(*runs[:-1])))[0].subtitle.endswith("over 5 runs")


def test_ungrouped_tasks_are_called_so(frame: Any, record: Any) -> None:
    grouped, ungrouped = record(), record(task="derma", grouped=False)
    (table,) = leaderboards(split_boards(frame(grouped, ungrouped)))
    assert [header.label for header in table.columns[:2]] == ["blood", "derma (ungrouped)"]
    assert any(note.startswith("Where said, a task is ungrouped") for note in table.notes)

    (table,) = leaderboards(split_boards(frame(ungrouped)))
    assert table.columns[0].label == "derma"
    assert any(note.startswith("All tasks are ungrouped") for note in table.notes)

    (table,) = leaderboards(split_boards(frame(grouped, record(task="derma", grouped=None))))
    assert not any("ungrouped" in note for note in table.notes)


def test_records_left_out_are_counted(frame: Any, record: Any) -> None:
    runs = [record(hashes={"split": split}) for split in ("a", "b")]
    (table,) = leaderboards(split_boards(frame(*runs)))
    assert "Left out: 1 older record of the same runs, from before their splits changed." in (
        table.notes
    )


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
    (table,) = leaderboards(split_boards(frame(*runs)))
    assert "No claim over tasks: 5 tasks, 6 are needed." in table.notes
    (average,) = [header for header in table.columns if header.text == "average"]
    assert average.detail == "5 tasks"
    assert column(table, "average")["crossd"].value == pytest.approx(0.7)
    (old,) = [header for header in table.columns if header.text == "task-0 [data old]"]
    assert (old.detail, old.aside) == ("superseded data", True)
    assert any(note.endswith("versions of one that is: task-0 [data old].") for note in table.notes)
