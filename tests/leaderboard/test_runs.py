from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from crossbench.results.records.store import Store

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture(scope="module")
def page(open_view: Open) -> AppTest:
    """The view as it opens; for tests that change nothing on it."""
    return open_view("runs")


def test_every_record_is_there(page: AppTest, words: Words) -> None:
    assert "150 of 150 records" in words(page)
    assert len(page.dataframe[1].value) == 150


def test_broken_files_are_shown_as_broken(page: AppTest, results_folder: Path) -> None:
    table = page.dataframe[0].value
    assert list(table["File"]) == [str(results_folder / "standard" / "broken.json")]
    assert "not readable as JSON" in table["Why"][0]
    assert "no valid records" in page.error[0].value


def test_a_failure_comes_first_with_its_reason_as_text(
    page: AppTest, words: Words, markup: str
) -> None:
    assert page.selectbox(key="run").options[0].startswith("acs · nodule-malignancy-3d")
    assert f"OutOfMemoryError: no memory left for {markup}" in [each.value for each in page.text]
    assert not any(each.allow_html for each in page.markdown)
    assert markup not in "".join(each.value for each in [*page.markdown, *page.error])


def test_filters_and_the_chosen_runs(open_view: Open, words: Words, markup: str) -> None:
    page = open_view("runs")
    page.button_group(key="statuses").set_value(["ok"])
    page.button_group(key="tasks").set_value(["nodule-malignancy-3d"])
    page.button_group(key="source").set_value(["embedded"])
    page.button_group(key="methods").set_value([markup]).run()
    assert not page.exception
    assert "6 of 150 records" in words(page)
    assert set(page.dataframe[1].value["Method"]) == {markup}
    differing = page.dataframe[-1].value
    # Of the provenance of two folds of one run.
    split = ["facts.split.test.sha256", "hashes.seed", "hashes.split"]
    assert list(differing["Key"]) == [*split, "started"]
    facts = page.dataframe[-2].value.set_index("Key")["Value"]
    assert facts["provenance.hardware.processor"] == "Test processor"
    command = page.code[0].value
    assert f"--method '{markup}'" in command
    assert "--set fit.epochs=3" in command
    page.button_group(key="statuses").set_value(["failed"]).run()
    assert "0 of 150 records" in words(page)


def test_equal_provenance_is_said_to_be_equal(tmp_path: Path, run_of: Any, open_view: Open) -> None:
    Store(tmp_path).write(*run_of("acs", "blood"))
    page = open_view("runs", tmp_path)
    assert page.info[0].value == "The provenance of the two does not differ."


def test_a_folder_of_broken_files_alone_is_shown(tmp_path: Path, open_view: Open) -> None:
    (tmp_path / "a.json").write_text("{}")
    page = open_view("runs", tmp_path)
    assert page.info[0].value == "There is no valid record."
    assert "no schema_version" in page.dataframe[0].value["Why"][0]
