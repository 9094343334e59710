"""The view that compares two methods."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.compare import compare_boards
from crossbench.results.boards.titles import headings
from crossbench.results.records.loading import load_results
from crossbench.results.records.store import Store

OpenView = Callable[..., AppTest]
Words = Callable[[AppTest], str]


def charts(page: AppTest) -> list[dict[str, Any]]:
    return [json.loads(each.proto.spec) for each in page.get("vega_lite_chart")]


def test_the_page_says_what_the_command_says(
    open_view: OpenView, words: Words, results_folder: Path, markup: str
) -> None:
    page = open_view("compare")
    page.selectbox("baseline").select(markup)
    page.selectbox("candidate").select("crossd").run()
    assert not page.exception
    frame = load_results(results_folder)
    said = compare_boards(frame, baseline=markup, candidate="crossd")
    boards = page.selectbox("board")
    shown = split_boards(frame)[headings(split_boards(frame)).index(boards.value)]
    (same,) = [each for each in said if each.title == shown.title]
    for sentence in same.comparison.sentences():
        assert sentence in words(page)
    assert f"--baseline '{markup}' --candidate crossd --metric balanced_accuracy" in words(page)


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_another_metric_is_compared(open_view: OpenView, words: Words, metric: str) -> None:
    page = open_view("compare")
    page.selectbox("metric").select(metric).run()
    assert not page.exception
    assert f"--metric {metric}" in words(page)
    assert metric.split("_", maxsplit=1)[0] in words(page).lower()


def test_the_candidate_is_never_the_baseline(open_view: OpenView) -> None:
    page = open_view("compare")
    baseline, candidate = (page.selectbox(name) for name in ("baseline", "candidate"))
    assert baseline.value not in candidate.options
    page.selectbox("baseline").select("crossd").run()
    assert not page.exception
    assert "crossd" not in page.selectbox("candidate").options


def test_two_tasks_carry_no_diagram(open_view: OpenView, words: Words) -> None:
    said = words(open_view("compare"))
    assert "No diagram of mean ranks: no claim over tasks: N = 2 comparable tasks" in said


def test_wins_and_losses_are_counted(open_view: OpenView, markup: str) -> None:
    matrix = open_view("compare").dataframe[-1].value.set_index("name")
    assert matrix.loc["crossd", markup] == "2 / 0 / 0"
    assert matrix.loc[markup, "crossd"] == "0 / 0 / 2"
    assert matrix.loc["acs", "acs"] == "–"


def test_a_board_with_one_row_has_nothing_to_compare(
    open_view: OpenView, tmp_path: Path, run_of: Callable[..., Any]
) -> None:
    Store(tmp_path).write(*run_of("crossd", "blood"))
    page = open_view("compare", tmp_path)
    assert "Only one method" in page.info[0].value


def test_many_tasks_carry_a_diagram(
    open_view: OpenView, words: Words, tmp_path: Path, run_of: Callable[..., Any]
) -> None:
    store = Store(tmp_path)
    for number in range(6):
        for fold in range(2):
            for method, skill in (("crossd", 3.0), ("acs", 1.0), ("conv3d", 0.1)):
                store.write(*run_of(method, f"task-{number}", fold=fold, skill=skill))
    page = open_view("compare", tmp_path)
    assert "the test behind the leaderboard's marks" in words(page)
    assert len(charts(page)) == 3
    assert "N = 6 tasks, 3 methods: Friedman p" in charts(page)[-1]["description"]


def test_a_task_without_a_verdict_says_why(
    open_view: OpenView, words: Words, tmp_path: Path, run_of: Callable[..., Any]
) -> None:
    store = Store(tmp_path)
    store.write(*run_of("crossd", "blood", fold=0))
    store.write(*run_of("acs", "blood", fold=1))
    page = open_view("compare", tmp_path)
    assert "acs on blood has no score in 1 of 2 runs" in words(page)
    assert len(charts(page)) == 0
