"""The page of one method."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_records import identified
from streamlit.testing.v1 import AppTest

from crossbench.results.records.conformances import write_report
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.store import Store
from crossbench.specs.conformance import Check, ConformanceReport, Kernel

Open = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture(scope="module")
def page(open_view: Open) -> AppTest:
    """The view as it opens; for tests that change nothing on it."""
    return open_view("method")


def tasks(page: AppTest) -> Any:
    """The table behind the chart."""
    return next(each.value for each in page.dataframe if "Place" in each.value).set_index("Task")


def counts(page: AppTest) -> dict[str, str]:
    return {each.label: each.value for each in page.metric}


def test_every_task_has_its_score_interval_and_place(page: AppTest, markup: str) -> None:
    assert page.selectbox(key="method").value == markup  # the first by name
    table = tasks(page)
    assert list(table.index) == ["nodule-malignancy-2d", "nodule-sphericity-2d"]
    assert set(table["Place"]) == {4}
    assert set(table["Of"]) == {4}
    assert (table["95 % interval from"] < table["to"]).all()
    assert set(table["Majority class"]) == {0.5}


def test_a_method_is_chosen_and_described(open_view: Open, words: Words) -> None:
    page = open_view("method")
    page.selectbox(key="method").set_value("acs").run()
    assert not page.exception
    assert page.title[0].value == "acs"
    assert "ACS convolution" in words(page)  # as its module says, for the record does not
    assert "Authors: Jiancheng Yang, " in words(page)  # as it is registered, likewise
    assert "Bingbing Ni, as registered here\n" in words(page)
    assert ", as registered here" in words(page)
    assert counts(page)["Runs"] == "30"
    assert counts(page)["Without a result"] == "1"
    drawn = json.loads(page.get("vega_lite_chart")[0].proto.spec)
    assert "**Balanced accuracy of acs by task**" in words(page)
    assert "(place 2 of 4)" in drawn["description"]


def test_a_method_that_is_not_registered_here_has_authors_not_stated(
    page: AppTest, words: Words
) -> None:
    assert "Authors: not stated" in words(page)


def test_failures_and_the_command_are_of_the_board(open_view: Open, words: Words) -> None:
    page = open_view("method")
    page.selectbox(key="method").set_value("acs").run()
    boards = page.selectbox(key="board")
    boards.set_value(next(each for each in boards.options if each.startswith("3D"))).run()
    assert not page.exception
    assert tasks(page).loc["nodule-malignancy-3d", "Runs"] == 5
    assert "Runs without a result" in words(page)
    assert any("OutOfMemoryError" in str(each.value) for each in page.dataframe)
    command = page.code[0].value
    assert "--task nodule-malignancy-3d,nodule-sphericity-3d" in command
    assert "--seeds 43 44 --folds 0 1 2" in command
    assert "crossbench check-method acs" in page.code[1].value


def test_names_are_text(page: AppTest, markup: str) -> None:
    assert not any(each.allow_html for each in page.markdown)
    shown = [*page.markdown, *page.caption, *page.title, *page.subheader]
    assert markup not in "".join(str(each.value) for each in shown)
    assert page.title[0].value.replace("\\", "") == markup


HOSTILE = "<script>alert(1)</script> [x](http://evil.example) :red[*a*]"


def test_what_a_record_says_of_its_method_is_shown_as_text(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    record, predictions = run_of("mine", "blood")
    origin = {
        "distribution": "theirs",
        "version": "1.2",
        "summary": HOSTILE,
        "metadata": {
            "authors": [HOSTILE, "B. Author"],
            "paper": "Of kernels, arXiv:2411.02441",
            "url": "javascript:alert(1)",
            "licence": "MIT",
        },
        "git": {"commit": "c" * 40, "dirty": True},
    }
    provenance = record.provenance | {"method": origin}
    told = dataclasses.replace(record, provenance=provenance)
    Store(tmp_path).write(identified(told, predictions), predictions)
    page = open_view("method", tmp_path)
    assert HOSTILE in [each.value for each in page.text]
    assert f"Authors: {HOSTILE}, B. Author" in words(page)
    assert "Source: theirs 1.2" in words(page)
    assert "Commit: cccccccccccc with changes" in words(page)
    links = [each.proto.url for each in page.get("link_button")]
    assert links == ["https://arxiv.org/abs/2411.02441"]
    assert HOSTILE not in "".join(each.value for each in [*page.markdown, *page.caption])
    assert "No method mine is registered here" in words(page)


def test_a_kept_report_of_conformance_shows_the_kernel(
    tmp_path: Path, run_of: Any, open_view: Open, words: Words
) -> None:
    run = run_of("mine", "blood")
    Store(tmp_path).write(*run)
    command = f"crossbench check-method mine --out {tmp_path}"
    assert command in [each.value for each in open_view("method", tmp_path).code]
    plane = ((1.0,),)
    report = ConformanceReport(
        method="mine",
        sha256=MethodOrigin.of(run[0]).sha256,
        checks=(Check(name="shapes", status="pass"),),
        kernels=(Kernel(channels=(0,), plane=plane, volume=(((0.25,),), ((0.75,),))),),
    )
    write_report(tmp_path, dataclasses.replace(report, sha256="0" * 64, checks=()))
    page = open_view("method", tmp_path)
    assert "another state of the method's code" in words(page)
    assert command in [each.value for each in page.code]
    write_report(tmp_path, report)
    page = open_view("method", tmp_path)
    assert "**The kernel of mine from 2D to 3D**" in words(page)
    assert "Conformance: 1 passed" in page.success[0].value
    assert "check-method" not in words(page)


def test_where_only_baselines_ran_there_is_no_method(
    tmp_path: Path, run_of: Any, open_view: Open
) -> None:
    Store(tmp_path).write(*run_of("majority", "blood"))
    assert "Only plain baselines" in open_view("method", tmp_path).info[0].value
