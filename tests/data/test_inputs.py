"""Records name the data that was used: what changes after the plan fails the run."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from crossbench.api import prepare
from crossbench.cli.views import warnings_view
from crossbench.data.sources import open_task
from crossbench.execution.local import execute, execute_all
from crossbench.nets.build import build_model
from crossbench.registry.tasks import find_task
from crossbench.results.records.store import Store
from crossbench.runs.execute import Silence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from crossbench.runs.plan import Plan, PlannedRun
    from crossbench.specs import RunRecord


@pytest.fixture
def planned(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    """A plan of one network and its plain baselines on a task of blobs."""

    def call(task: Path | None = None, **options: Any) -> Plan:
        return prepare(
            "conv3d",
            str(task or make_task()),
            store=Store(tmp_path / "out"),
            seeds=[43],
            folds=[0],
            settings=["fit.epochs=2", "compute.threads=1"],
            data_dir=tmp_path,
            backbone="test_resnet",
            **options,
        )

    return call


def executed(plan: Plan, folder: Path, listener: Silence | None = None) -> list[RunRecord]:
    return execute(plan, Store(folder / "out"), device=torch.device("cpu"), listener=listener)


def messages(records: list[RunRecord]) -> list[str]:
    return [record.error["message"] if record.error else record.status for record in records]


def test_data_replaced_between_plan_and_run_fails_the_run(
    planned: Callable[..., Plan], tmp_path: Path
) -> None:
    plan = planned()
    file = tmp_path / "blobs.npz"
    with np.load(file) as stored:
        arrays = dict(stored)
    file.unlink()
    np.savez(file, **arrays | {"labels": 1 - arrays["labels"]})
    for message in messages(executed(plan, tmp_path)):
        assert "blobs.npz is not what it was when the runs were planned" in message
        assert plan.runs[0].hashes["data"] in message


def test_a_checkpoint_replaced_between_plan_and_run_fails_the_run(
    planned: Callable[..., Plan], tmp_path: Path
) -> None:
    file = tmp_path / "weights.pth"
    network = build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    torch.save(network.state_dict(), file)
    plan = planned(init=str(file), statistics="imagenet")
    network.bn1.bias.data += 1
    torch.save(network.state_dict(), file)
    (record,) = (each for each in executed(plan, tmp_path) if not each.key.plain)
    assert record.status == "failed"
    assert "weights.pth was replaced: it has SHA-256" in messages([record])[0]
    assert record.provenance["statistics"] == "imagenet"
    again = planned(init=str(file), statistics="imagenet")
    (record,) = (each for each in executed(again, tmp_path) if not each.key.plain)
    assert record.status == "ok"
    assert record.provenance["settings"]["statistics"] == "imagenet"


@pytest.mark.parametrize("content", [None, b"PK damaged"])
def test_data_that_is_gone_fails_its_runs_and_no_others(
    planned: Callable[..., Plan],
    make_task: Callable[..., Path],
    tmp_path: Path,
    content: bytes | None,
) -> None:
    plan, other = planned(), planned(make_task("others"))
    (tmp_path / "blobs.npz").unlink()
    if content is not None:
        (tmp_path / "blobs.npz").write_bytes(content)
    store = Store(tmp_path / "out")
    records = execute_all([plan, other], store, device=torch.device("cpu"))
    assert [record.status for record in records] == ["failed"] * 3 + ["ok"] * 3
    assert all("blobs.npz" in message for message in messages(records[:3]))


class Cutter(Silence):
    """Cuts the data file short once the first run is under way."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def advanced(self, run: PlannedRun, samples: int) -> None:
        os.truncate(self.file, 500)


def test_data_cut_short_during_a_run_fails_it(planned: Callable[..., Plan], tmp_path: Path) -> None:
    """The bytes are gone from the mapping: to read them would end the process."""
    plan = planned()
    records = executed(plan, tmp_path, Cutter(tmp_path / "blobs.npz"))
    assert len(records) == len(plan.runs) == 3
    network = next(record for record in records if not record.key.plain)
    assert network.status == "failed"
    assert "was written to while it was in use" in messages([network])[0]


def test_what_the_data_lacks_is_in_the_plan_and_in_the_record(
    planned: Callable[..., Plan], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    card = make_task()
    with np.load(tmp_path / "blobs.npz") as stored:
        arrays = dict(stored)
    arrays["images"][4] = 7
    np.savez(tmp_path / "blobs.npz", images=arrays["images"], labels=arrays["labels"])
    plan = planned(card)
    ungrouped, blank = warnings_view(plan)
    assert ungrouped.startswith("note: blobs: ungrouped: the card says group = 'patient'")
    assert blank == "note: blobs: 1 sample holds one value only, blank or constant: 4"
    for record in executed(plan, tmp_path):
        assert record.grouped is False
        assert [f"note: blobs: {warning}" for warning in record.warnings] == [ungrouped, blank]


def test_the_authors_mosmed_is_turned_by_its_card(tmp_path: Path) -> None:
    """Its file is (N, W, H, D), which no length would tell of a cube."""
    card = find_task("mosmed")
    assert card.source.axes == "WHD"
    card = replace(card, shape=(12, 11, 6), class_counts=(10, 10))  # smaller, of the same form
    images = np.zeros((20, 12, 11, 6), np.uint8)
    images[:, 4, 3, 2] = 1
    np.savez(tmp_path / card.source.file, images=images, labels=np.arange(20) % 2)
    dataset = open_task(card, data="real", data_dir=tmp_path, cache_dir=tmp_path)
    assert dataset.images.shape == (20, 1, 6, 11, 12)
    assert np.argwhere(dataset.images[3]).tolist() == [[0, 2, 3, 4]]
