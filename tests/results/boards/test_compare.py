from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from crossbench.cli import main
from crossbench.errors import RequestError
from crossbench.evaluation.statistics import compare_runs
from crossbench.results.boards.compare import compare_boards, verdict_frame, win_matrix
from crossbench.results.records.store import Store

scores = st.sampled_from([0.1, 0.1 + 1e-15, 0.5, 0.9, np.nan])


def runs(record: Any, gains: dict[str, float], tasks: int = 1, **more: Any) -> list[Any]:
    """Two repetitions of five folds; each method's score is a fold's level plus its gain."""
    random = np.random.default_rng(0)
    return [
        record(name, f"task-{task}", fold, seed=seed, score=level + random.normal(0, 0.003), **more)
        for task in range(tasks)
        for seed in (43, 44)
        for fold in range(5)
        for name, gain in gains.items()
        for level in [0.6 + 0.01 * fold + gain]
    ]


def test_verdicts_are_given_on_every_board_that_holds_both(frame: Any, record: Any) -> None:
    gains = {"acs": 0.0, "crossd": 0.1}
    found = compare_boards(
        frame(
            *runs(record, gains, tasks=6),
            *runs(record, gains, init="in1k"),
            *runs(record, {"acs": 0.0}, dimension=3),
        ),
        baseline="acs",
        candidate="crossd",
    )
    assert [board.title.rpartition(" · ")[2] for board in found] == [
        "resnet18, init in1k",
        "resnet18, init random (untrained backbone)",
    ]
    few, many = (board.comparison for board in found)
    assert few.overall.verdict == "no claim"
    assert [(task.verdict, task.found) for task in few.tasks] == [("no claim", "better")]
    assert many.overall.verdict == "better"
    assert {task.verdict for task in many.tasks} == {"better"}
    assert many.metric == "balanced_accuracy"


def test_lines_are_title_then_sentences_to_quote(frame: Any, record: Any) -> None:
    gains = {"acs": 0.0, "crossd": 0.1}
    (board,) = compare_boards(
        frame(*runs(record, gains, tasks=6)), baseline="acs", candidate="crossd"
    )
    title, *tasks, overall = board.lines()
    assert title == board.title
    assert len(tasks) == 6
    assert tasks[0].startswith("task-0: crossd is better than acs; balanced accuracy gain +0.1")
    assert "after Holm over 6 tasks" in tasks[0]
    assert overall.startswith("Over 6 of 6 tasks: crossd is better than acs;")


@pytest.mark.parametrize(
    ("changes", "draws"),
    [
        ({}, {}),
        ({"protocol": "linear-probe"}, {"acs": 2, "crossd": 2}),
        ({"init": "in1k", "hashes": {"init": "a"}}, {"acs": 1, "crossd": 1}),
    ],
)
def test_the_records_say_which_runs_share_weights(
    frame: Any, record: Any, changes: dict[str, Any], draws: dict[str, int]
) -> None:
    table = frame(*runs(record, {"acs": 0.0, "crossd": 0.1}, **changes))
    (board,) = compare_boards(table, baseline="acs", candidate="crossd")
    (task,) = board.comparison.tasks
    assert task.draws == draws  # type: ignore[union-attr]
    assert task.verdict == ("no claim" if 1 in draws.values() else "better")


def test_weights_of_their_own_for_each_fold_are_no_shared_ones(frame: Any, record: Any) -> None:
    made = [
        record(name, fold=fold, score=score + 0.01 * fold * score, init="nodules", hashes=hashes)
        for name, score in (("acs", 0.5), ("crossd", 0.6))
        for fold in range(5)
        for hashes in [{"init": "recipe", "weights": f"{name} {fold}"}]
    ]
    (board,) = compare_boards(frame(*made), baseline="acs", candidate="crossd")
    assert board.comparison.tasks[0].draws == {}  # type: ignore[union-attr]


def test_a_baseline_without_weights_shares_none(frame: Any, record: Any) -> None:
    made = [
        *runs(record, {"logistic": 0.0}),
        *runs(record, {"acs": 0.0, "crossd": 0.1}, protocol="linear-probe"),
    ]
    (board,) = compare_boards(frame(*made), baseline="logistic", candidate="crossd")
    assert set(board.comparison.tasks[0].draws) == {"crossd"}  # type: ignore[union-attr]


def test_below_six_tasks_nothing_is_claimed_over_them(frame: Any, record: Any) -> None:
    gains = {"acs": 0.0, "crossd": 0.1}
    (board,) = compare_boards(
        frame(*runs(record, gains, tasks=2)), baseline="acs", candidate="crossd"
    )
    assert board.lines()[-1].startswith("crossd against acs: no claim over tasks: N = 2")


def test_folds_that_were_not_run_count(frame: Any, record: Any) -> None:
    """The correction takes the folds of the split and not those found."""
    few = [run for run in runs(record, {"acs": 0.0, "crossd": 0.1}) if run.key.fold < 2]
    (board,) = compare_boards(frame(*few), baseline="acs", candidate="crossd")
    (task,) = board.comparison.tasks
    assert task.test.folds == 5  # type: ignore[union-attr]
    assert task.test.runs == 4  # type: ignore[union-attr]


def test_another_metric_and_rope_may_be_asked_for(frame: Any, record: Any) -> None:
    table = frame(*runs(record, {"acs": 0.0, "crossd": 0.1}))
    (board,) = compare_boards(
        table, baseline="acs", candidate="crossd", metric="accuracy", rope=0.5
    )
    assert board.comparison.metric == "accuracy"
    assert [task.verdict for task in board.comparison.tasks] == ["equivalent"]


def test_phantoms_say_so(frame: Any, record: Any) -> None:
    gains = {"acs": 0.0, "crossd": 0.1}
    (board,) = compare_boards(
        frame(*runs(record, gains, source="phantom")), baseline="acs", candidate="crossd"
    )
    assert board.lines()[1] == "PHANTOM DATA: says nothing about real tasks"


def test_a_plain_baseline_may_be_compared_with(frame: Any, record: Any) -> None:
    (board,) = compare_boards(
        frame(*runs(record, {"logistic": 0.0, "crossd": 0.1})),
        baseline="logistic",
        candidate="crossd",
    )
    assert [task.verdict for task in board.comparison.tasks] == ["better"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("asc", "crossd"), "unknown method 'asc'; did you mean acs"),
        (("acs", "crosd"), "unknown method 'crosd'; did you mean crossd"),
        (("acs", "acs"), "baseline and candidate are both 'acs'"),
        (
            ("acs", "conv2d"),
            r"no board holds both acs and conv2d; .*\n  acs: 2D tasks.*\n  conv2d: 3D tasks",
        ),
    ],
)
def test_unusable_requests_are_refused(
    frame: Any, record: Any, names: tuple[str, str], message: str
) -> None:
    table = frame(record("acs"), record("crossd"), record("conv2d", dimension=3))
    with pytest.raises(RequestError, match=message):
        compare_boards(table, baseline=names[0], candidate=names[1])


def test_an_unknown_metric_is_refused(frame: Any, record: Any) -> None:
    with pytest.raises(RequestError, match="unknown metric 'acuracy'; did you mean accuracy"):
        compare_boards(
            frame(record("acs"), record("crossd")),
            baseline="acs",
            candidate="crossd",
            metric="acuracy",
        )


# -------------------------------------------------------------------- command line


@pytest.fixture
def results(tmp_path: Path, scored: Any) -> Path:
    store = Store(tmp_path / "results")
    for fold in range(3):
        store.write(*scored("acs", fold=fold, seed=fold))
        store.write(*scored("crossd", fold=fold, seed=fold + 10))
    (store.root / "notes.json").write_text("{}")
    return store.root


def test_the_command_prints_sentences(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(results), "--baseline", "acs", "--candidate", "crossd"]) == 0
    printed = capsys.readouterr()
    assert "blood:" in printed.out
    assert "no claim over tasks: N = 1" in printed.out
    assert "notes.json: no run record" in printed.err


def test_the_command_prints_data(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["compare", str(results), "--baseline", "acs", "--candidate", "crossd", "--json"]
    assert main(command) == 0
    (board,) = json.loads(capsys.readouterr().out)["boards"]
    assert (board["baseline"], board["candidate"]) == ("acs", "crossd")
    assert board["rope"] == 0.01
    assert board["overall"]["verdict"] == "no claim"
    assert len(board["sentences"]) == 2


def test_the_command_refuses_unknown_names(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(results), "--baseline", "asc", "--candidate", "crossd"]) == 2
    assert "unknown method 'asc'; did you mean acs" in capsys.readouterr().err


def test_an_earlier_version_of_a_task_is_left_out_and_named(frame: Any, record: Any) -> None:
    runs = [
        record(method, fold=fold, score=0.5 + fold / 10, hashes={"data": data, "method": method},
               provenance={"started": started})
        for data, started in (("aaaa", "2026-02-01"), ("bbbb", "2026-01-01"))
        for method in ("crossd", "acs")
        for fold in range(3)
    ]  # fmt: skip
    (board,) = compare_boards(frame(*runs), baseline="acs", candidate="crossd")
    assert [verdict.task for verdict in board.comparison.tasks] == ["blood [data aaaa]"]
    assert board.lines()[-1] == "(Left out, being earlier versions of tasks: blood [data bbbb].)"


def test_a_mean_over_fewer_classes_is_said(frame: Any, record: Any) -> None:
    reason = "class 'atypical': absent from the labels"
    runs = [
        record(method, fold=fold, score=0.5 + fold / 10, partial={"balanced_accuracy": reason})
        for method in ("crossd", "acs")
        for fold in range(3)
    ]
    (board,) = compare_boards(frame(*runs), baseline="acs", candidate="crossd")
    said = "Balanced accuracy is a mean over fewer classes where test parts lack one"
    assert board.lines()[-1] == f"({said}: blood: {reason}.)"
    assert list(board.to_mapping()["notes"]) == list(board.notes)
    (other,) = compare_boards(frame(*runs), baseline="acs", candidate="crossd", metric="accuracy")
    assert other.notes == ()


# ------------------------------------------------------------------------- as tables


@pytest.fixture
def comparison() -> Any:
    random = np.random.default_rng(0)
    rows = [
        (task, method, 43, fold, level + 0.01 * random.normal())
        for task in ("blood", "vessel")
        for method, level in (("acs", 0.6), ("crossd", 0.8))
        for fold in range(5)
        if (task, method, fold) != ("vessel", "acs", 2)
    ]
    frame = pd.DataFrame(rows, columns=["task", "method", "seed", "fold", "score"])
    return compare_runs(frame, baseline="acs", candidate="crossd", metric="accuracy", folds=5)


def test_a_comparison_is_a_row_a_task(comparison: Any) -> None:
    frame = verdict_frame(comparison).set_index("task")
    blood, vessel = frame.loc["blood"], frame.loc["vessel"]
    verdict = comparison.tasks[0]
    assert blood["verdict"] == blood["found"] == "better"
    assert blood["detectable"] == verdict.detectable > 0
    assert blood["low"] < blood["gain"] == verdict.test.gain.value < blood["high"]
    assert sum(blood[["better", "equivalent", "worse"]]) == pytest.approx(1)
    assert (blood["p_holm"], blood["runs"], blood["reason"]) == (verdict.p_holm, 5, "")
    assert vessel["verdict"] == "not comparable"
    assert np.isnan(vessel["gain"])
    assert "acs on vessel has no score in 1 of 5 runs" in vessel["reason"]


@given(st.lists(st.lists(scores, min_size=3, max_size=3), min_size=1, max_size=5))
def test_every_duel_is_counted_once_from_each_side(values: list[list[float]]) -> None:
    table = pd.DataFrame(values, columns=["a", "b", "c"], dtype=float)
    matrix, flipped = win_matrix(table), win_matrix(table, higher_is_better=False)
    for one, other in permutations(table, 2):
        wins, ties, losses = map(int, str(matrix.loc[one, other]).split(" / "))
        assert wins + ties + losses == table[[one, other]].dropna().shape[0]
        assert wins == (table[one] > table[other] + 1e-9).sum()
        assert matrix.loc[other, one] == flipped.loc[one, other] == f"{losses} / {ties} / {wins}"


def test_no_method_duels_with_itself() -> None:
    assert win_matrix(pd.DataFrame({"a": [0.5]})).loc["a", "a"] == "–"
