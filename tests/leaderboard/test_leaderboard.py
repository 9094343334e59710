from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_records import identified
from streamlit.testing.v1 import AppTest

from crossbench.results.boards.boards import split_boards
from crossbench.results.records.store import Store
from crossbench_leaderboard.state import Results

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture(scope="module")
def page(open_view: Open) -> AppTest:
    """The view as it opens; for tests that change nothing on it."""
    return open_view("leaderboard")


def standings(page: AppTest) -> Any:
    """The table of the ranked methods."""
    return next(each.value for each in page.dataframe if "Trainable parameters" in each.value)


def titles(page: AppTest) -> list[str]:
    return list(page.selectbox(key="leaderboard-board").options)


def turn_to(page: AppTest, title: str) -> None:
    (place,) = [place for place, each in enumerate(titles(page)) if title in each]
    page.selectbox(key="leaderboard-board").set_value(place).run()
    assert not page.exception


# ----------------------------------------------------------------------- as it opens


def test_methods_are_ranked_and_baselines_stand_aside(page: AppTest, markup: str) -> None:
    table = standings(page)
    assert list(table["Method"]) == ["crossd", "acs", "conv3d", markup]
    assert list(table["Mean rank"]) == sorted(table["Mean rank"])
    assert set(table["Tasks"]) == {"2/2"}
    assert list(table["Trainable parameters"])[:3] == [11_000, 8_000, 11_000]
    assert set(table["ms a sample"]) == {10.0}


def test_below_six_tasks_each_task_has_its_own_verdict(page: AppTest, words: Words) -> None:
    assert "No claim over tasks" in words(page)
    verdicts = next(each.value for each in page.dataframe if "Best" in each.value)
    assert list(verdicts["Task"]) == ["nodule-malignancy-2d", "nodule-sphericity-2d"]
    assert set(verdicts["Best"]) == {"crossd"}
    assert all("acs" in each for each in verdicts["Not shown to differ from it"])


def test_no_board_mixes_dimensions_or_sources(page: AppTest, results: Results) -> None:
    assert len(titles(page)) == len(set(titles(page))) == 3
    for board in split_boards(results.frame):
        assert board.title in titles(page)
        assert board.runs["dimension"].nunique() == board.runs["source"].nunique() == 1


def test_published_rows_are_reported_and_never_ranked(page: AppTest, words: Words) -> None:
    assert "Reported accuracy" in words(page)
    reported = page.dataframe[-1].value
    assert {"in1k", "rin"} == set(reported["init"])
    assert "in1k" not in str(standings(page))


def test_names_are_text(page: AppTest, markup: str) -> None:
    assert markup in list(standings(page)["Method"])
    assert not any(each.allow_html for each in page.markdown)
    assert markup not in "".join(each.value for each in [*page.markdown, *page.caption])


def test_the_command_and_the_download_are_there(
    page: AppTest, words: Words, results_folder: Path
) -> None:
    assert f"crossbench report {results_folder}" in words(page)
    assert page.get("download_button")


# -------------------------------------------------------------------------- choices


def test_the_board_that_says_most_is_shown_first(
    tmp_path: Path, run_of: Any, open_view: Open
) -> None:
    store = Store(tmp_path)
    for method in ("acs", "conv3d", "crossd"):
        store.write(*run_of(method, "blood", source="phantom"))
    store.write(*run_of("crossd", "breast", source="real"))
    for method in ("acs", "crossd"):
        store.write(*run_of(method, "vessel", source="real", dimension=3))
    page = open_view("leaderboard", tmp_path)
    assert page.selectbox(key="leaderboard-board").index == 1
    assert [title.partition(" ")[0] for title in titles(page)] == ["2D", "3D", "2D"]
    assert set(standings(page)["Method"]) == {"acs", "crossd"}


def test_the_legend_leaves_out_what_has_no_mark(
    tmp_path: Path, run_of: Any, open_view: Open
) -> None:
    record, _ = run_of("acs", "blood")
    error = {"class": "OutOfMemoryError", "message": "no memory left"}
    failed = dataclasses.replace(
        record, status="failed", metrics={}, curve=(), selected_epoch=None, error=error
    )
    Store(tmp_path).write(failed, None)
    Store(tmp_path).write(*run_of("crossd", "blood"))
    page = open_view("leaderboard", tmp_path)
    (chart,) = (json.loads(each.proto.spec) for each in page.get("vega_lite_chart"))
    colour = chart["encoding"]["color"]
    assert (colour["scale"]["domain"], colour["legend"]["values"]) == (
        ["acs", "crossd"],
        ["crossd"],
    )


def test_each_board_says_what_it_is(open_view: Open, words: Words) -> None:
    page = open_view("leaderboard")
    assert "PHANTOM" not in words(page)
    turn_to(page, "phantom data")
    assert "PHANTOM DATA" in words(page)
    turn_to(page, "3D tasks")
    row = standings(page).set_index("Method").loc["acs"]
    assert row["Tasks"] == "1/2"
    assert row.isna()["Mean rank"]
    assert "runs are missing" in row["Note"]


FILTERS = {
    "dimension": (3, "3D tasks"),
    "source": ("phantom", "phantom data"),
    "modality": ("Blood cell microscopy", "phantom data"),
    "preset": ("standard", "preset standard"),
    "protocol": ("weak-probe", "weak-probe"),
    "init": ("random", "init random"),
}


def test_each_filter_leaves_what_was_asked_for(open_view: Open) -> None:
    page = open_view("leaderboard")
    for name, (chosen, expected) in FILTERS.items():
        choice = page.multiselect(key=f"leaderboard-{name}")
        choice.set_value([chosen]).run()
        assert not page.exception
        assert titles(page)
        assert all(expected in title for title in titles(page))
        # A plain baseline has no protocol and no init, and stays beside the methods.
        assert any("majority" in str(each.value) for each in page.dataframe)
        page.multiselect(key=f"leaderboard-{name}").set_value([])
    page.multiselect(key="leaderboard-dimension").set_value([3])
    page.multiselect(key="leaderboard-source").set_value(["phantom"]).run()
    assert page.info[0].value == "No runs are left; take a filter away."


def test_a_filter_ranks_anew(tmp_path: Path, run_of: Any, open_view: Open) -> None:
    """One method is the better on two tasks, the other on one of another modality."""
    skills = {"blood": (2.0, 0.3), "tissue": (2.0, 0.3), "derma": (0.3, 2.0)}
    for task, (one, other) in skills.items():
        for fold in range(2):
            Store(tmp_path).write(*run_of("one", task, fold=fold, skill=one))
            Store(tmp_path).write(*run_of("other", task, fold=fold, skill=other))
    page = open_view("leaderboard", tmp_path)
    table = standings(page)
    assert list(table["Method"]) == ["one", "other"]
    assert list(table["Mean rank"]) == pytest.approx([4 / 3, 5 / 3])
    page.multiselect(key="leaderboard-modality").set_value(["Dermatoscopy"]).run()
    table = standings(page)
    assert list(table["Method"]) == ["other", "one"]
    assert list(table["Mean rank"]) == [1.0, 2.0]
    assert set(table["Tasks"]) == {"1/1"}


def test_another_metric_ranks_by_it_and_says_what_that_is(open_view: Open, words: Words) -> None:
    page = open_view("leaderboard")
    page.selectbox(key="leaderboard-metric").set_value("log_loss").run()
    assert "Chosen after the fact" in words(page)
    table = standings(page)
    assert list(table["Mean"]) == sorted(table["Mean"])  # lower is better
    assert table["Method"][0] == "crossd"


def test_from_six_tasks_on_the_first_and_its_ties_are_named(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    for number in range(6):
        for fold in range(2):
            for method, skill in {"crossd": 2.0, "acs": 0.3}.items():
                Store(tmp_path).write(*run_of(method, f"task-{number}", fold=fold, skill=skill))
    page = open_view("leaderboard", tmp_path)
    assert "No claim" not in words(page)
    assert "First over tasks" in words(page)
    table = standings(page)
    assert list(table["Method"]) == ["crossd", "acs"]
    assert list(table["First"]) == ["ties with first", "behind"]
    assert all(" to " in interval for interval in table["Mean, 95 % interval"])
    assert "Rank, 95 % interval" not in table  # ranks that do not vary have none


def test_where_nothing_could_be_shown_over_tasks_it_says_so(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    for number in range(6):
        for method, skill in {"crossd": 2.0, "acs": 1.0, "conv3d": 0.3}.items():
            Store(tmp_path).write(*run_of(method, f"task-{number}", skill=skill))
    page = open_view("leaderboard", tmp_path)
    assert "No claim over tasks" in words(page)
    assert "No difference could be shown here (smallest attainable p = 0.094" in words(page)
    assert "First" not in standings(page)


def test_superseded_data_is_said_whatever_is_filtered(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    weak, lora = "weak-probe", "lora"
    for method, data, month, protocol in (
        ("acs", "bbbb", 1, weak),
        ("crossd", "aaaa", 2, weak),
        ("crossd", "bbbb", 1, lora),
    ):
        record, predictions = run_of(method, "blood")
        provenance = record.provenance | {
            "hashes": record.provenance["hashes"] | {"data": data},
            "started": f"2026-0{month}-01T00:00:00+00:00",
        }
        key = dataclasses.replace(record.key, protocol=protocol)
        changed = dataclasses.replace(record, key=key, provenance=provenance)
        Store(tmp_path).write(identified(changed, predictions), predictions)
    page = open_view("leaderboard", tmp_path)
    said = "Data of blood: aaaa is in use, last run 2026-02-01; superseded: bbbb"
    assert said in words(page).replace("\\", "")
    page.multiselect(key="leaderboard-protocol").set_value(["lora"]).run()
    assert not page.exception
    assert said in words(page).replace("\\", "")
    assert "All runs of blood on this board are on superseded data" in words(page)
    page = open_view("compare", tmp_path)
    assert "acs and crossd cannot be compared" in page.info[0].value.replace("\\", "")
    page = open_view("runs", tmp_path)
    shown = page.dataframe[0].value
    assert sorted(shown["Data"]) == [
        "data in use aaaa",
        "superseded data bbbb",
        "superseded data bbbb",
    ]
