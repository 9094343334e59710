from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from made_records import identified
from streamlit.testing.v1 import AppTest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.titles import headings
from crossbench.results.records.store import Store
from crossbench_leaderboard.state import Results

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture(scope="module")
def page(open_view: Open) -> AppTest:
    """The view as it opens; for tests that change nothing on it."""
    return open_view("leaderboard")


def numbers(page: AppTest) -> Any:
    """The table of scores and ranks, by method."""
    table = next(each.value for each in page.dataframe if "trainable parameters" in each.value)
    return table.set_index("method")


def drawn(page: AppTest, place: int = 0) -> Any:
    """The words of a figure for those who do not see it."""
    return json.loads(page.get("vega_lite_chart")[place].proto.spec)["description"]


def drawn_cells(page: AppTest) -> dict[tuple[str, str], str]:
    """What the heat map's cells say, by method and task."""
    data = page.get("vega_lite_chart")[1].proto.data.data
    frame = pa.ipc.open_stream(data).read_pandas()
    return {(row["name"], row["task"]): row["label"] for _, row in frame.iterrows()}


def titles(page: AppTest) -> list[str]:
    return list(page.selectbox(key="board").options)


def turn_to(page: AppTest, title: str) -> None:
    (name,) = [each for each in titles(page) if title in each]
    page.selectbox(key="board").set_value(name).run()
    assert not page.exception


# ----------------------------------------------------------------------- as it opens


def test_a_stranger_reads_what_this_is_and_how_much_of_it(page: AppTest, words: Words) -> None:
    assert page.title[0].value == "Leaderboard"
    assert "carries what was learnt in 2D into 3D" in words(page)
    counts = {each.label: each.value for each in page.metric}
    assert counts == {"Methods": "4", "Tasks": "5", "Runs": "150", "Without a result": "1"}
    assert "Embedded data · preset standard" in words(page).replace("\\", "")


def test_methods_are_ranked_and_baselines_stand_aside(page: AppTest, markup: str) -> None:
    table = numbers(page)
    assert list(table.index) == ["crossd", "acs", "conv3d", markup, "majority", "chance"]
    assert list(table["mean rank"])[:4] == ["1.00*", "2.00", "3.00", "4.00"]
    assert table["mean rank"]["majority"] == ""
    assert list(table["trainable parameters"])[:3] == ["11,000", "8,000", "11,000"]


def test_standings_and_heat_map_are_drawn(page: AppTest, markup: str) -> None:
    assert "Mean rank over 2 tasks: crossd 1.00, acs 2.00" in drawn(page)
    assert markup in drawn(page)
    assert "majority 0.500" in drawn(page)
    assert "nodule-malignancy-2d: crossd" in drawn(page, 1)


def test_below_six_tasks_there_is_no_claim(page: AppTest) -> None:
    said = [each.value for each in page.text if "No claim over tasks" in each.value]
    assert "a claim needs 6 on which" in said[0]


def test_no_board_mixes_dimensions_or_sources(page: AppTest, results: Results) -> None:
    boards = split_boards(results.frame)
    assert titles(page) == headings(boards)
    assert len(set(titles(page))) == 3
    for board in boards:
        assert board.runs["dimension"].nunique() == board.runs["source"].nunique() == 1


def test_published_rows_are_reported_and_never_ranked(page: AppTest, words: Words) -> None:
    assert "Reported accuracy" in words(page)
    reported = page.dataframe[-1].value
    assert {"in1k", "rin"} == set(reported["init"])
    assert "in1k" not in str(numbers(page))


def test_names_are_text(page: AppTest, markup: str) -> None:
    assert markup in numbers(page).index
    assert not any(each.allow_html for each in page.markdown)
    assert markup not in "".join(each.value for each in [*page.markdown, *page.caption])


def test_the_command_and_the_download_are_there(
    page: AppTest, words: Words, results_folder: Path
) -> None:
    assert f"crossbench report {results_folder}" in words(page)
    offered = {each.proto.label for each in page.get("download_button")}
    assert offered == {"SVG", "PNG", "CSV", "LaTeX"}


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
    assert page.selectbox(key="board").index == 1
    assert [title.partition(" tasks")[0] for title in titles(page)] == [
        "2D",
        "3D",
        "Phantoms of 2D",
    ]
    assert set(numbers(page).index) == {"acs", "crossd", "chance"}


def test_columns_are_chosen(open_view: Open) -> None:
    page = open_view("leaderboard")
    choice = page.button_group(key="columns")
    assert "nodule-malignancy-2d" in choice.value
    choice.set_value(["mean rank", "trainable parameters"]).run()
    assert not page.exception
    assert list(numbers(page).columns) == ["mean rank", "trainable parameters"]
    turn_to(page, "3D tasks")
    assert list(numbers(page).columns) == ["mean rank", "trainable parameters"]
    page.button_group(key="columns").set_value(["trainable parameters", "finished runs"]).run()
    assert not page.exception
    assert numbers(page)["finished runs"]["acs"] == "11 of 12"
    said = [each.value for each in page.caption]
    assert "finished runs: Finished runs of those there are." in said


def test_each_board_says_what_it_is(open_view: Open, words: Words) -> None:
    page = open_view("leaderboard")
    assert "PHANTOM" not in words(page)
    turn_to(page, "Phantoms")
    assert "PHANTOM DATA" in words(page)
    turn_to(page, "3D tasks")
    row = numbers(page).loc["acs"]
    assert row["average (2 tasks)"].endswith("(1/2 tasks)")
    assert row["mean rank"] == "–"
    assert "Not ranked, for they lack runs of some tasks: acs" in words(page).replace("\\", "")
    assert "5/6 runs" in drawn_cells(page)["acs", "nodule-malignancy-3d"]


FILTERS = {
    "dimension": (3, "3D tasks"),
    "source": ("phantom", "Phantoms of 2D"),
    "modality": ("Blood cell microscopy", "Phantoms of 2D"),
}


def test_each_filter_leaves_what_was_asked_for(open_view: Open) -> None:
    page = open_view("leaderboard")
    for name, (chosen, expected) in FILTERS.items():
        page.button_group(key=name).set_value([chosen]).run()
        assert not page.exception
        assert titles(page)
        assert all(title.startswith(expected) for title in titles(page))
        page.button_group(key=name).set_value([])
    page.button_group(key="dimension").set_value([3])
    page.button_group(key="source").set_value(["phantom"]).run()
    assert page.info[0].value == "No runs are left; take a filter away."


def test_a_filter_with_nothing_to_choose_between_is_no_chip(page: AppTest) -> None:
    with pytest.raises(KeyError):
        page.button_group(key="preset")


def test_a_plain_baseline_has_no_protocol_and_stays(
    tmp_path: Path, run_of: Any, open_view: Open
) -> None:
    for method in ("acs", "majority"):
        Store(tmp_path).write(*run_of(method, "blood"))
    record, predictions = run_of("crossd", "blood")
    other = dataclasses.replace(record.key, protocol="lora")
    Store(tmp_path).write(
        identified(dataclasses.replace(record, key=other), predictions), predictions
    )
    page = open_view("leaderboard", tmp_path)
    page.button_group(key="protocol").set_value(["lora"]).run()
    assert not page.exception
    assert list(numbers(page).index) == ["crossd", "majority", "chance"]


def test_a_filter_ranks_anew(tmp_path: Path, run_of: Any, open_view: Open) -> None:
    """One method is the better on two tasks, the other on one of another modality."""
    skills = {"blood": (2.0, 0.3), "tissue": (2.0, 0.3), "derma": (0.3, 2.0)}
    for task, (one, other) in skills.items():
        for fold in range(2):
            Store(tmp_path).write(*run_of("one", task, fold=fold, skill=one))
            Store(tmp_path).write(*run_of("other", task, fold=fold, skill=other))
    page = open_view("leaderboard", tmp_path)
    assert list(numbers(page)["mean rank"]) == ["1.33*", "1.67", ""]
    assert list(numbers(page).index) == ["one", "other", "chance"]
    page.button_group(key="modality").set_value(["Dermatoscopy"]).run()
    assert list(numbers(page).index) == ["other", "one", "chance"]
    assert "derma" in numbers(page)
    assert "blood" not in numbers(page)


def test_another_metric_ranks_by_it_and_says_what_that_is(open_view: Open, words: Words) -> None:
    page = open_view("leaderboard")
    page.selectbox(key="metric").set_value("log_loss").run()
    assert "was chosen after the fact" in words(page)
    means = [float(each.strip("*†‡")) for each in numbers(page)["average (2 tasks)"]]
    assert means[:4] == sorted(means[:4])  # lower is better
    assert numbers(page).index[0] == "crossd"


def test_from_six_tasks_on_the_first_and_its_ties_are_named(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    for number in range(6):
        for fold in range(2):
            for method, skill in {"crossd": 2.0, "acs": 0.3}.items():
                Store(tmp_path).write(*run_of(method, f"task-{number}", fold=fold, skill=skill))
    page = open_view("leaderboard", tmp_path)
    assert "No claim" not in words(page)
    assert "First over tasks: crossd. All others are shown to differ" in words(page)
    table = numbers(page)
    assert list(table.index) == ["crossd", "acs", "chance"]
    assert all(" to " in mean for mean in table["average (6 tasks)"][:2])
    assert list(table["mean rank"]) == ["1.00*", "2.00", ""]  # which do not vary: no interval


def test_where_nothing_could_be_shown_over_tasks_it_says_so(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    for number in range(6):
        for method, skill in {"crossd": 2.0, "acs": 1.0, "conv3d": 0.3}.items():
            Store(tmp_path).write(*run_of(method, f"task-{number}", skill=skill))
    page = open_view("leaderboard", tmp_path)
    assert "No claim over tasks" in words(page)
    assert "no difference could be shown here (smallest attainable p = 0.094" in words(page)
    assert "First over tasks" not in words(page)


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
    page.button_group(key="protocol").set_value(["lora"]).run()
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


def test_a_curve_is_drawn_of_a_task_whose_data_is_another_under_another_preset(
    open_view: Open, tmp_path: Path, run_of: Callable[..., Any]
) -> None:
    store = Store(tmp_path / "results")
    for preset, data, limits in (("standard", "old", (16, None)), ("transfer", "new", (None,))):
        for limit in limits:
            run, predictions = run_of("acs", "vessel", 43, 0, dimension=3)
            known = run.provenance
            changes = {
                "split": known["split"] | {"max_labelled": limit},
                "hashes": known["hashes"] | {"data": data},
            }
            key = dataclasses.replace(run.key, preset=preset)
            run = dataclasses.replace(run, key=key, provenance=known | changes)
            store.write(identified(run, predictions), predictions)
    page = open_view("leaderboard", store.root)
    turn_to(page, "16 labelled")
    charts = [json.loads(each.proto.spec) for each in page.get("vega_lite_chart")]
    assert any("labelled" in each["description"] for each in charts)
