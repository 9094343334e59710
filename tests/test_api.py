"""Runs from Python: methods handed over as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import crossbench
from crossbench.api import prepare
from crossbench.registry import claims
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.store import Store
from crossbench_baselines.conv3d import Conv3d


class Mine(Conv3d):
    """Another name."""

    name = "mine"

    def __init__(self, temp: float = 1.0) -> None:
        self.temp = temp


@pytest.fixture(autouse=True)
def _none_registered() -> Iterator[None]:
    yield
    claims.objects.clear()


@pytest.fixture
def asked(make_task: Callable[..., Path], tmp_path: Path) -> dict[str, Any]:
    """Options for one short run a method."""
    return {
        "task": str(make_task()),
        "data_dir": tmp_path,
        "preset": "smoke",
        "seeds": [43],
        "folds": [0],
        "backbone": "test_resnet",
        "settings": ["fit.epochs=1"],
    }


def test_objects_are_planned_beside_names(asked: dict[str, Any], tmp_path: Path) -> None:
    given = [Mine(temp=2), "mine:temp=3.0"]
    plan = prepare(given, store=Store(tmp_path), **asked)
    keys = {run.key.method for run in plan.runs if not run.key.plain}
    assert keys == {"mine", "mine:temp=3"}
    assert plan.request.asked.methods == ("mine", "mine:temp=3.0")


@pytest.mark.slow
def test_an_object_runs_and_leaves_a_record(asked: dict[str, Any], tmp_path: Path) -> None:
    frame = crossbench.run(Mine(temp=2), **asked, limit=1, out=tmp_path / "out")
    assert list(frame["method"] + " " + frame["status"]) == ["mine ok"]
    (record,) = Store(tmp_path / "out").records()
    origin = MethodOrigin.of(record)
    assert (origin.distribution, origin.config["temp"]) == ("made by hand", 2)
    again = prepare(Mine(temp=2), store=Store(tmp_path / "out"), **asked, limit=1)
    assert not again.todo
