"""The cost of a plan: counted in samples, timed on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch

from crossbench.api import prepare
from crossbench.cli.views import duration
from crossbench.nets.build import build_model
from crossbench.results.records.store import Store
from crossbench.runs.estimate import estimate

SLIP = """
class Slip:
    name, dims = "slip", (3,)
    def layer_2d(self, conv):
        return conv
    def layer_3d(self, layer):
        return layer.k
method = Slip()
"""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from crossbench.runs.plan import Plan


@pytest.fixture
def plan(make_task: Callable[..., Path], tmp_path: Path) -> Plan:
    return prepare(
        "conv3d",
        str(make_task()),
        store=Store(tmp_path / "out"),
        data_dir=tmp_path,
        backbone="test_resnet",
        seeds=[43],
        folds=[0, 1],
        settings=["compute.threads=1"],
    )


def test_every_task_has_a_time_and_every_run_a_size(plan: Plan) -> None:
    cost = estimate(plan, torch.device("cpu"))
    assert cost.seconds["blobs"] > 0
    assert cost.disk > 10_000 * len(plan.todo)


def test_kept_weights_take_room_and_each_network_is_timed_once(plan: Plan) -> None:
    timed = []

    def track(networks: Sequence[Any]) -> Iterator[Any]:
        for network in networks:
            timed.append(network.method.name)
            yield network

    cost = estimate(plan, torch.device("cpu"), track=track)
    assert timed == ["conv3d"]  # for both folds
    asked = replace(plan.request.asked, save_weights=True)
    keeping = replace(plan, request=replace(plan.request, asked=asked))
    model = build_model("conv3d", dims=3, num_classes=2, backbone="test_resnet")
    bytes_each = sum(tensor.nbytes for tensor in model.state_dict().values())
    more = estimate(keeping, torch.device("cpu")).disk - cost.disk
    assert more == 2 * bytes_each  # two folds; the plain baselines have no weights


def test_a_linear_probe_costs_one_pass_for_all_folds(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    def seconds(folds: list[int]) -> float:
        planned = prepare(
            "conv3d",
            str(make_task()),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            backbone="test_resnet",
            protocol="linear-probe",
            seeds=[43],
            folds=folds,
            settings=["compute.threads=1", "fit.epochs=100000"],
        )
        return estimate(planned, torch.device("cpu")).seconds["blobs"]

    one, five = seconds([0]), seconds([0, 1, 2, 3, 4])
    assert 0 < one < 1000
    assert 0 < five < 1000


def test_low_rank_updates_are_timed(make_task: Callable[..., Path], tmp_path: Path) -> None:
    planned = prepare(
        "conv3d",
        str(make_task()),
        store=Store(tmp_path / "out"),
        data_dir=tmp_path,
        backbone="test_resnet",
        protocol="lora",
        seeds=[43],
        folds=[0],
        settings=["compute.threads=1"],
    )
    assert estimate(planned, torch.device("cpu")).seconds["blobs"] > 0


def test_what_is_done_costs_nothing(plan: Plan) -> None:
    (task,) = plan.tasks
    finished = replace(task, runs=tuple(replace(run, done=True) for run in task.runs))
    cost = estimate(replace(plan, tasks=(finished,)), torch.device("cpu"))
    assert cost.seconds == {"blobs": 0.0}
    assert cost.disk == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(12.4, "12 s"), (600, "10 min"), (5400, "1.5 h"), (90_000, "25.0 h")]
)
def test_durations_are_in_peoples_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_network_that_fails_costs_its_time_alone(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    """A method's mistake is its runs' affair; the other methods are timed."""
    plugin = tmp_path / "slip.py"
    plugin.write_text(SLIP)
    planned = prepare(
        "conv3d,slip",
        str(make_task()),
        store=Store(tmp_path / "out"),
        data_dir=tmp_path,
        plugins=[str(plugin)],
        backbone="test_resnet",
        seeds=[43],
        folds=[0],
    )
    cost = estimate(planned, torch.device("cpu"))
    assert cost.untimed == {"slip on blobs": "AttributeError: 'Conv2d' object has no attribute 'k'"}
    assert cost.seconds["blobs"] > 0
