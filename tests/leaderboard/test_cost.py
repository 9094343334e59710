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
    frame = page.dataframe[0].value.dropna()
    return dict(zip(frame["Method"], frame.iloc[:, 2], strict=True))


def specs(page: AppTest) -> list[dict[str, Any]]:
    return [json.loads(each.proto.spec) for each in page.get("vega_lite_chart")]


def test_costs_are_of_one_machine_only(open_view: OpenView, two_machines: Path) -> None:
    page = open_view("cost", two_machines)
    first, second = page.selectbox("machine").options
    assert "One, 1 of 2 cores, Linux" in first
    assert costs(page) == pytest.approx({"conv3d": 2.0, "acs": 4.0, "crossd": 10.0})
    page.selectbox("machine").select(second).run()
    assert not page.exception
    assert costs(page) == pytest.approx({"acs": 2.0, "crossd": 5.0})


def test_each_cost_is_shown(open_view: OpenView, words: Words) -> None:
    page = open_view("cost")
    names = ["latency", "parameters", "trainable parameters", "peak memory of the process"]
    choice = page.button_group("cost")
    assert choice.options == names
    choice.set_value(names[-1]).run()
    assert not page.exception
    assert set(costs(page).values()) == {1e9 / 2**20}
    assert "methods that were run by one command share it" in words(page)


def test_a_method_with_a_missing_run_is_left_out(open_view: OpenView) -> None:
    page = open_view("cost")
    boards = page.selectbox("board")
    boards.select(next(title for title in boards.options if title.startswith("3D"))).run()
    assert "acs" not in costs(page)
    assert "Left out, for a run or its cost is missing: acs." in specs(page)[0]["description"]
    page.selectbox("costed").select("nodule-sphericity-3d").run()
    assert not page.exception
    assert "acs" in costs(page)


def test_the_front_is_drawn(open_view: OpenView, two_machines: Path) -> None:
    page = open_view("cost", two_machines)
    assert page.dataframe[0].value["On the front"].tolist() == [True, True, True, False]
    (spec,) = specs(page)
    assert {"line", "point"} <= {layer["mark"]["type"] for layer in spec["layer"]}
    assert "(on the front)" in spec["description"]


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
