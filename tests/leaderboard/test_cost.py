"""The view of what methods cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from crossbench.results.records.store import Store

OpenView = Callable[..., AppTest]
Words = Callable[[AppTest], str]


@pytest.fixture
def two_machines(tmp_path: Path, run_of: Callable[..., Any]) -> Path:
    """Two methods on each of two machines, and a third method on one of them alone."""
    store = Store(tmp_path / "results")
    milliseconds = {"crossd": 5.0, "acs": 2.0, "conv3d": 1.0}
    for seed, name in ((43, "One"), (44, "Other")):
        for method, ms in milliseconds.items():
            if (method, name) != ("conv3d", "Other"):
                run, predictions = run_of(method, "blood", seed, skill=ms)
                hardware = {"processor": name, "cores": 2, "system": "Linux"}
                run.provenance["hardware"] = hardware
                run.timings["test"] = ms * (1 + seed % 2) * 0.04
                store.write(run, predictions)
    return store.root


def costs(page: AppTest) -> dict[str, float]:
    frame = page.dataframe[0].value
    return dict(zip(frame["name"], frame.iloc[:, 2], strict=True))


def test_costs_are_of_one_machine_only(open_view: OpenView, two_machines: Path) -> None:
    page = open_view("cost", two_machines)
    first, second = page.selectbox("cost-machine").options
    assert "One, 1 of 2 cores, Linux" in first
    assert costs(page) == pytest.approx({"conv3d": 2.0, "acs": 4.0, "crossd": 10.0})
    page.selectbox("cost-machine").select(second).run()
    assert not page.exception
    assert costs(page) == pytest.approx({"acs": 2.0, "crossd": 5.0})


def test_each_cost_is_shown(open_view: OpenView, words: Words) -> None:
    page = open_view("cost")
    assert page.selectbox("cost-cost").options == [
        "latency, ms a sample",
        "parameters",
        "trainable parameters",
        "peak memory of the process, bytes",
    ]
    page.selectbox("cost-cost").select("bytes_process").run()
    assert not page.exception
    assert set(costs(page).values()) == {1e9}
    assert "methods that were run by one command share it" in words(page)


def test_a_method_with_a_missing_run_is_left_out(open_view: OpenView, words: Words) -> None:
    page = open_view("cost")
    boards = page.selectbox("cost-board")
    three = next(place for place, title in enumerate(boards.options) if title.startswith("3D"))
    boards.select_index(three).run()
    assert "acs" not in costs(page)
    assert "Left out, for a run or its cost is missing here: acs." in words(page)
    page.selectbox("cost-task").select("nodule-sphericity-3d").run()
    assert not page.exception
    assert "acs" in costs(page)


def test_the_front_is_drawn(open_view: OpenView, two_machines: Path) -> None:
    page = open_view("cost", two_machines)
    assert page.dataframe[0].value["on the front"].tolist() == [True, True, True]
    spec = json.loads(page.get("vega_lite_chart")[0].proto.spec)
    assert [layer["mark"]["type"] for layer in spec["layer"]] == ["line", "point"]


def test_without_runtimes_the_page_says_how_to_measure_them(
    open_view: OpenView, words: Words
) -> None:
    assert "crossbench bench ops --out" in words(open_view("cost"))


def test_a_broken_bench_record_is_named(
    open_view: OpenView, words: Words, two_machines: Path
) -> None:
    (two_machines / "half.bench.json").write_text('{"half": ')
    page = open_view("cost", two_machines)
    assert "half.bench.json: not readable as JSON" in words(page)
