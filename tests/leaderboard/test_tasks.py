from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from crossbench.results.records.store import Store
from crossbench_leaderboard.state import Results
from crossbench_leaderboard.views.tasks import _pooled

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture(scope="module")
def page(open_view: Open) -> AppTest:
    """The view as it opens; for tests that change nothing on it."""
    return open_view("tasks")


def charts_of(page: AppTest) -> list[Any]:
    return [json.loads(each.proto.spec) for each in page.get("vega_lite_chart")]


def test_results_have_intervals_and_counts(page: AppTest, markup: str) -> None:
    table = page.dataframe[0].value.set_index("Method")
    assert set(table.index) == {"crossd", "acs", "conv3d", markup, "majority", "chance"}
    row = table.loc["crossd"]
    assert row["95 % interval from"] < row["Mean"] < row["to"]
    assert (row["Runs"], row["Of"]) == (6, 6)
    assert row["Mean"] > table.loc["majority", "Mean"] == 0.5


def test_the_card_says_licence_and_known_issues(page: AppTest, words: Words) -> None:
    assert "Licence: CC-BY-3.0" in words(page)
    assert "Known issues:" in words(page)
    assert "not pathology" in words(page)


def test_names_are_text(page: AppTest, markup: str) -> None:
    assert not any(each.allow_html for each in page.markdown)
    assert markup not in "".join(each.value for each in [*page.markdown, *page.caption])


def test_what_is_chosen_is_shown(open_view: Open, words: Words) -> None:
    page = open_view("tasks")
    page.selectbox(key="metric").set_value("log_loss")
    page.selectbox(key="task").set_value("nodule-sphericity-2d")
    page.selectbox(key="row").set_value("majority")
    page.toggle(key="samples").set_value(False).run()
    assert not page.exception
    assert "--task nodule-sphericity-2d" in words(page)
    table = page.dataframe[0].value.set_index("Method")
    assert table.loc["crossd", "Mean"] < table.loc["majority", "Mean"]
    page.selectbox(key="board").set_value(page.selectbox(key="board").options[2]).run()
    assert not page.exception
    assert "PHANTOM DATA" in words(page)
    assert "phantoms have not been made" in page.info[0].value


def test_predictions_are_pooled_over_folds(results: Results) -> None:
    frame = results.frame
    own = frame[(frame["task"] == "nodule-malignancy-2d") & (frame["method"] == "majority")]
    labels, predicted, classes = _pooled(own["path"])
    assert classes == 2
    assert len(labels) == len(predicted) == 6 * 40
    assert (predicted == 0).all()  # equal probabilities: the first class


def test_a_task_without_a_card_is_still_shown(tmp_path: Path, run_of: Any, open_view: Open) -> None:
    Store(tmp_path).write(*run_of("acs", "my-own-task"))
    page = open_view("tasks", tmp_path)
    assert "not registered here" in page.info[0].value
    assert list(page.dataframe[0].value["Method"]) == ["acs", "chance"]


def test_class_names_of_a_task_without_a_card_come_from_its_records(
    tmp_path: Path, run_of: Any, open_view: Open
) -> None:
    record, predictions = run_of("acs", "my-own-task")
    names = ["a rather long name of a class", "other"]
    provenance = record.provenance | {"classes": names}
    Store(tmp_path).write(dataclasses.replace(record, provenance=provenance), predictions)
    _, confusion, balance = charts_of(open_view("tasks", tmp_path))
    for axis in (confusion["layer"][0]["encoding"]["y"], balance["encoding"]["y"]):
        assert axis["sort"] == names
        assert axis["axis"]["labelExpr"] == (
            '{"a rather long name of a class": ["a rather long", "name of a", "class"], '
            '"other": ["other"]}[datum.label]'
        )


def test_data_that_is_not_here_is_said_to_be_missing(
    tmp_path: Path, run_of: Any, open_view: Open
) -> None:
    Store(tmp_path).write(*run_of("acs", "mosmed", source="real", dimension=3))
    page = open_view("tasks", tmp_path)
    assert any("not on this machine" in each.value for each in page.info)


def test_data_that_contradicts_its_card_is_said_to_be_unreadable(
    tmp_path: Path,
    run_of: Any,
    open_view: Open,
    words: Words,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Store(tmp_path).write(*run_of("acs", "mosmed", source="real", dimension=3))
    monkeypatch.setenv("CROSSBENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    images = np.arange(4 * 8**3).reshape(4, 8, 8, 8)
    np.savez(tmp_path / "data" / "mosmed_128.npz", images=images, labels=[0, 1, 0, 1])
    page = open_view("tasks", tmp_path)
    page.toggle(key="samples").set_value(True).run()
    assert not page.exception
    assert any("cannot be read" in each.value for each in page.error)
    assert "shape (W, H, D) is [8, 8, 8], but card 'mosmed' says [128, 128, 64]" in words(page)
