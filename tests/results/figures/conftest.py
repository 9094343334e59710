"""Boards whose figures are known: few tasks, and enough of them for intervals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import altair as alt
import numpy as np
import pytest

from crossbench.results.boards.board import Board
from crossbench.results.boards.boards import split_boards
from crossbench.results.figures.figure import Figure

METHODS = {"acs": 0.10, "conv3d": 0.16, "crossd": 0.22}
MACHINE = {"processor": "Xeon", "cores": 2, "system": "Linux x86_64"}


def cost_of(method: str, machine: dict[str, Any]) -> dict[str, Any]:
    """What a run says of its cost: more for longer names."""
    size = len(method)
    return {
        "parameters": {"total": 1e6 * size, "trainable": 513.0 * size},
        "cost": {"gmacs": 0.1 * size},
        "timings": {"test": 0.01 * size},
        "counts": {"test": 10},
        "peak_memory": {"process": 2**20 * 100.0 * size},
        "provenance": {"hardware": machine, "threads": 1},
    }


@pytest.fixture
def board_of(record: Any, failure: Any, frame: Any) -> Callable[..., Board]:
    """A board of as many tasks as asked for, five folds each, with two plain baselines.

    ``failing`` names pairs of a method and a task whose runs all failed.
    """

    def make(
        tasks: int = 2,
        methods: Sequence[str] = tuple(METHODS),
        failing: Sequence[tuple[str, str]] = (),
        machine: dict[str, Any] = MACHINE,
        **more: Any,
    ) -> Board:
        runs = []
        for task in [f"task-{number}" for number in range(tasks)]:
            for fold in range(5):
                random = np.random.default_rng([fold, *map(ord, task)])
                for method in methods:
                    where = (method, task, fold)
                    if (method, task) in failing:
                        runs.append(failure(*where))
                        continue
                    score = 0.5 + METHODS.get(method, 0.1) + 0.02 * random.normal()
                    runs.append(record(*where, score=score, **cost_of(method, machine), **more))
                runs.append(record("majority", task, fold, score=0.5))
                runs.append(record("logistic", task, fold, score=0.55))
        (board,) = split_boards(frame(*runs))
        return board

    return make


@cache
def _is_vega_lite(spec: str) -> bool:
    alt.LayerChart.from_dict(json.loads(spec))  # raises where the schema forbids it
    return True


@pytest.fixture
def valid() -> Callable[[Figure], bool]:
    """Whether Vega-Lite's schema allows a figure whose data is its frame."""

    def check(figure: Figure) -> bool:
        values = figure.spec["data"]["values"]
        assert values == json.loads(figure.data.to_json(orient="records", double_precision=15))
        assert figure.name.replace("-", "").isalnum()
        assert figure.alt
        return _is_vega_lite(json.dumps(figure.spec, sort_keys=True))

    return check
