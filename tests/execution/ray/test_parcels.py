"""What runs read beside the installed packages, as it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from balls import write_balls
from drawn import rand

from crossbench.errors import RequestError
from crossbench.execution.local import prepare
from crossbench.execution.ray.parcels import Parcel, pack
from crossbench.execution.ray.shelf import MARK, is_here
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import CheckpointMetadata, pack_checkpoint
from crossbench.results.records.store import Store
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKPOINT = CheckpointMetadata(
    method="plain",
    dims=2,
    backbone="test_resnet",
    num_classes=2,
    recipe="r" * 64,
    statistics="imagenet",
)
PLUGIN = """\
{before}
from crossbench_baselines.conv3d import Conv3d
from parts import SCALE

class Mine(Conv3d):
    def __init__(self, name):
        self.name = name

method = Mine("mine")
other = Mine("other")
"""


def packed(folder: Path, **options: Any) -> Parcel:
    asked: dict[str, Any] = {
        "methods": "conv3d", "tasks": str(folder / "blobs.toml"), "data_dir": folder,
        "seeds": [43], "folds": [0], "backbone": "test_resnet",
    }  # fmt: skip
    plan = prepare(RunRequest.of(**asked | options), Store(folder / "out"))
    return pack(plan, plan.tasks[0])


def test_both_cards_and_files_travel_where_one_is_fitted_on_the_other(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    one, other = make_task(), tmp_path / "elsewhere" / "blobs.toml"
    other.parent.mkdir()
    drawn = (rand(60, 18, 18, 18) * 255).byte()
    make_task("others", images=drawn.numpy()).rename(other)
    parcel = packed(tmp_path, train_task=str(other))
    assert parcel.carried == {
        "card": {"blobs.toml": one.read_bytes()},
        "card1": {"blobs.toml": other.read_bytes()},
    }
    assert parcel.request["tasks"] == [f"{MARK}card{MARK}/blobs.toml"]
    assert parcel.request["train_task"] == f"{MARK}card1{MARK}/blobs.toml"
    assert sorted(parcel.trees["data"].files) == ["blobs.npz", "others.npz"]


def write_plugin(folder: Path, *, before: str = "", parts: Path | None = None) -> Path:
    (parts or folder).mkdir(exist_ok=True)
    ((parts or folder) / "parts.py").write_text("SCALE = 1\n")
    file = folder / "mine.py"
    file.write_text(PLUGIN.format(before=before))
    return file


def test_a_card_and_its_data_are_named_by_what_they_are(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    card = make_task()
    parcel = packed(tmp_path)
    assert parcel.carried == {"card": {"blobs.toml": card.read_bytes()}}
    assert parcel.request["tasks"] == [f"{MARK}card{MARK}/blobs.toml"]
    assert parcel.request["data_dir"] == f"{MARK}data{MARK}"
    data = parcel.trees["data"]
    assert data.files == {"blobs.npz": tmp_path / "blobs.npz"}
    assert b"".join(data.pieces("blobs.npz")) == (tmp_path / "blobs.npz").read_bytes()
    assert is_here(data.states)


def test_phantoms_and_embedded_tasks_need_no_data(tmp_path: Path) -> None:
    parcel = packed(tmp_path, tasks="vessel", preset="smoke", data_dir=None)
    assert (parcel.carried, parcel.trees) == ({}, {})
    assert parcel.request["tasks"] == ["vessel"]
    assert parcel.request["data_dir"] is None


def test_a_card_goes_with_what_lies_beside_it(tmp_path: Path) -> None:
    card = write_balls(tmp_path)[3]
    parcel = packed(tmp_path, tasks=str(card), data_dir=None)
    assert parcel.carried == {}
    assert parcel.request["tasks"] == [f"{MARK}card{MARK}/balls-3d.toml"]
    assert parcel.trees["card"].root == tmp_path
    assert parcel.trees["card"].files == {
        "balls-3d.toml": card,
        "balls.npz": tmp_path / "balls.npz",
    }


def test_a_plugin_goes_with_the_files_beside_it_and_under_both_its_names(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    make_task()
    file = write_plugin(tmp_path)
    parcel = packed(tmp_path, methods="mine,other", plugins=[str(file), f"{file}:other"])
    contents = {"0/mine.py": file.read_bytes(), "0/parts.py": b"SCALE = 1\n"}
    assert parcel.carried["code"] == contents
    place = f"{MARK}code{MARK}/0/mine.py"
    assert parcel.request["plugins"] == [f"{place}:method", f"{place}:other"]


def test_a_plugin_whose_method_does_not_run_stays(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    make_task()
    parcel = packed(tmp_path, plugins=[str(write_plugin(tmp_path))])
    assert "code" not in parcel.carried
    assert parcel.request["plugins"] == []


def test_a_file_outside_of_the_plugins_folder_is_refused(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    make_task()
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "plugin"
    folder.mkdir()
    file = write_plugin(
        folder, before=f"import sys; sys.path.insert(0, {str(elsewhere)!r})", parts=elsewhere
    )
    with pytest.raises(RequestError, match=r"parts.py' lies outside of the plugin's folder"):
        packed(tmp_path, methods="mine", plugins=[str(file)])


@pytest.mark.parametrize("told", [True, False])
def test_checkpoints_of_every_fold_go_together_unless_the_identity_holds_their_path(
    make_task: Callable[..., Path], tmp_path: Path, told: bool
) -> None:
    make_task()
    folder = tmp_path / "weights" / "mine"
    folder.mkdir(parents=True)
    network = build_model("conv2d", dims=2, num_classes=2, backbone="test_resnet")
    for fold in range(2):
        file = folder / f"fold{fold}.{'safetensors' if told else 'pth'}"
        if told:
            file.write_bytes(pack_checkpoint(network.state_dict(), CHECKPOINT))
        else:
            torch.save(network.state_dict(), file)
    init = f"{folder}/fold{{fold}}.*"
    statistics = None if told else "imagenet"  # a foreign checkpoint does not say them
    parcel = packed(tmp_path, init=init, folds=[0, 1], statistics=statistics)
    if not told:
        assert ("init" in parcel.trees, parcel.request["init"]) == (False, init)
        return
    assert parcel.request["init"] == f"{MARK}init{MARK}/mine/fold{{fold}}.*"
    names = {f"mine/fold{fold}.safetensors" for fold in range(2)}
    assert parcel.trees["init"].files == {name: folder.parent / name for name in names}
