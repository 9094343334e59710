"""Orders as a node does them, here and without Ray."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from crossbench.execution.isolation import UNLIMITED
from crossbench.execution.local import prepare
from crossbench.execution.ray.nodes import Said, call, do_order, software
from crossbench.execution.ray.parcels import Parcel, pack
from crossbench.execution.ray.shelf import MARK
from crossbench.execution.relay import describe_group
from crossbench.files.hashing import hash_file
from crossbench.results.records.store import Store
from crossbench.specs.reader import to_mapping
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


@pytest.fixture
def order(make_task: Callable[..., Path], tmp_path: Path) -> tuple[dict[str, Any], Parcel]:
    """The order of one plain baseline, and what it reads."""
    request = RunRequest.of(
        methods="conv3d", tasks=str(make_task()), data_dir=tmp_path, seeds=[43], folds=[0],
        backbone="test_resnet",
    )  # fmt: skip
    plan = prepare(request, Store(tmp_path / "out"))
    (task,) = plan.tasks
    group = [(plan, task, run) for run in task.runs if run.key.method == "majority"]
    parcel = pack(plan, task)
    asked = to_mapping(describe_group(group, out="", device=cpu()))
    return {
        "software": software(),
        "group": asked | {"request": parcel.request},
        "carries": parcel.carried,
        "states": {name: (str(tree.root), tree.states) for name, tree in parcel.trees.items()},
        "limits": asdict(UNLIMITED),
        "variables": {},
    }, parcel


def cpu() -> torch.device:
    import torch

    return torch.device("cpu")


def never(reference: Any) -> bytes:
    raise AssertionError(reference)


def test_a_record_comes_back_with_its_files_and_leaves_nothing_there(
    order: tuple[dict[str, Any], Parcel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    said = [each for each in do_order(order[0], {}, never) if each.kind != "printed"]
    assert [each.kind for each in said] == ["news", "news", "end"]
    endings = sorted(Path(name).suffix for name in said[1].files)
    assert endings == [".json", ".npz"]
    assert said[1].value["record"]["status"] == "ok"
    assert [each.name for each in scratch.iterdir() if "crossbench" in each.name] == []


def test_data_that_is_not_there_is_wanted_and_then_received(
    order: tuple[dict[str, Any], Parcel], tmp_path: Path
) -> None:
    asked, parcel = order
    data = parcel.trees["data"]
    content = (tmp_path / "blobs.npz").read_bytes()
    sent = {"data": {"blobs.npz": (hash_file(tmp_path / "blobs.npz"), [0, 1])}}
    states = data.states
    os.utime(tmp_path / "blobs.npz", ns=(0, 0))
    assert states[0]["changed"] != 0
    assert list(do_order(asked, {}, never)) == [Said(kind="wants", value=["data"])]
    (tmp_path / "blobs.npz").unlink()
    pieces = [content[:1000], content[1000:]]
    said = list(do_order(asked, sent, lambda reference: pieces[reference]))
    assert said[-1].kind == "end"


def test_damaged_data_is_refused_in_words(
    order: tuple[dict[str, Any], Parcel], tmp_path: Path
) -> None:
    (tmp_path / "blobs.npz").unlink()
    (said,) = do_order(order[0], {"data": {"blobs.npz": ("0" * 64, [0])}}, lambda _: b"other")
    assert said.kind == "refused"
    assert "its files cannot be had on " in said.value["reason"]
    assert "blobs.npz was damaged on its way" in said.value["reason"]


def test_other_software_is_said_before_anything_runs(order: tuple[dict[str, Any], Parcel]) -> None:
    asked = order[0] | {"software": software() | {"timm": "0.0.1", "crossbench's code": "abc"}}
    (said,) = do_order(asked, {}, never, "node")
    node, why = said.value
    assert (said.kind, node) == ("unfit", "node")
    assert f"timm {software()['timm']} instead of 0.0.1" in why
    assert "crossbench's code" in why


def test_named_work_is_done_with_what_it_brings() -> None:
    order: dict[str, Any] = {
        "software": software(),
        "carries": {"code": {"0/mine.py": b"method = None"}},
        "work": "os.path:getsize",
        "arguments": {"filename": f"{MARK}code{MARK}/0/mine.py"},
    }
    assert call(order) == {"reply": len(b"method = None")}
    refused = call(order | {"arguments": {"filename": f"{MARK}code{MARK}/0/none.py"}})
    assert "No such file or directory" in refused["refused"]
    other = {**software(), "timm": "0.0.1"}
    assert call(order | {"software": other})["unfit"].endswith(" instead of 0.0.1")
