from __future__ import annotations

import dataclasses
from typing import Any

import pandas as pd
import pytest

from crossbench.results.boards.boards import split_boards
from crossbench.results.boards.pareto import cost_frame
from crossbench.results.boards.tables import ranked
from crossbench.results.figures.cost import cost, costs

WORDS = "Xeon, 1 of 2 cores, Linux x86_64"


def test_there_is_a_chart_a_cost(board_of: Any, valid: Any) -> None:
    figures = costs(board_of(6))
    assert [figure.name for figure in figures] == [
        "cost-ms-per-sample",
        "cost-parameters-total",
        "cost-parameters-trainable",
        "cost-cost-gmacs",
        "cost-bytes-process",
    ]
    assert all(map(valid, figures))


def test_figures_are_those_of_the_board(board_of: Any) -> None:
    board = board_of(6)
    drawn = cost(board, "parameters_trainable").data.set_index("name")
    for row in cost_frame(board, "parameters_trainable").itertuples(index=False):
        own = drawn.loc[row.name]
        assert (own["score"], own["cost"], own["front"]) == (row.score, row.cost, row.front)
    for row in ranked(board):
        assert row.mean
        if row.mean.low is not None:
            assert drawn.loc[row.name, "low"] == row.mean.low


def test_bytes_are_drawn_in_mib(board_of: Any) -> None:
    figure = cost(board_of(2), "bytes_process")
    assert figure.data.set_index("name").loc["acs", "cost"] == 300
    assert "MiB" in figure.alt


def test_the_subtitle_names_the_device_where_a_cost_depends_on_it(board_of: Any) -> None:
    for by, named in (("ms_per_sample", True), ("bytes_process", True), ("cost_gmacs", False)):
        subtitle = " ".join(cost(board_of(2), by).subtitle)
        assert (WORDS in subtitle) == named


def test_each_machine_has_its_own_chart(board_of: Any) -> None:
    board = board_of(2)
    other = board.runs.assign(
        hardware="NVIDIA A100", ms_per_sample=0.1, row="other " + board.runs["row"]
    )
    other = other[other["protocol"] != "plain"]
    both = dataclasses.replace(board, runs=pd.concat([board.runs, other], ignore_index=True))
    latency = {each.name: each for each in costs(both) if "ms-per" in each.name}
    assert list(latency) == ["cost-ms-per-sample", "cost-ms-per-sample-2"]
    first, second = latency.values()
    assert "NVIDIA A100" in " ".join(first.subtitle)
    assert set(first.data.loc[~first.data["plain"], "name"]) == {
        "other acs",
        "other conv3d",
        "other crossd",
    }
    assert WORDS in " ".join(second.subtitle)
    assert {"majority", "logistic"} <= set(first.data["name"])


def test_methods_that_lack_runs_are_named(board_of: Any) -> None:
    figure = cost(board_of(2, failing=[("acs", "task-0")]), "cost_gmacs")
    assert "acs" not in set(figure.data["name"])
    assert "Left out, for a run or its cost is missing: acs." in figure.alt


def test_labels_of_plain_baselines_do_not_overlap(record: Any, frame: Any, board_of: Any) -> None:
    board = board_of(2)
    drawn = cost(board, "cost_gmacs").data
    labels = drawn[drawn["label"] != ""]
    assert "logistic" in ", ".join(labels["label"])
    gaps = labels["label_at"].sort_values().diff().dropna()
    height = drawn[["score", "low", "high"]].max(axis=None) - drawn["score"].min()
    assert (gaps > 0.04 * height).all()


@pytest.mark.parametrize(("ratio", "kind"), [(3, "linear"), (100, "log")])
def test_costs_that_differ_much_have_a_logarithmic_axis(
    record: Any, frame: Any, ratio: float, kind: str
) -> None:
    runs = [
        record(method, parameters={"total": total})
        for method, total in (("acs", 10), ("crossd", 10 * ratio))
    ]
    (board,) = split_boards(frame(*runs))
    layers = cost(board, "parameters_total").spec["layer"]
    kinds = {
        layer["encoding"]["x"]["scale"]["type"]
        for layer in layers
        if "scale" in layer["encoding"].get("x", {})
    }
    assert kinds == {kind}
