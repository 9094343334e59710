"""``crossbench weights`` as a user meets it."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
import torch

from crossbench.cli import main
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import CheckpointMetadata, TrainingSamples, write_checkpoint

SMALL = "test_resnet"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables that wrap nowhere, whatever terminal the tests are run from."""
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A 2D checkpoint of our own, of Cross-D layers."""
    network = build_model("crossd", dims=2, num_classes=3, backbone=SMALL)
    about = CheckpointMetadata(
        method="crossd",
        dims=2,
        backbone=SMALL,
        num_classes=3,
        recipe="0123abcd",
        statistics="radimagenet",
        seen=(TrainingSamples(file="nodules.npz:9", unit="group", codes=(1, 5)),),
    )
    write_checkpoint(tmp_path / "w.safetensors", network.state_dict(), about)
    return tmp_path / "w.safetensors"


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that is known as ``mine``, and one that is not there."""
    (tmp_path / "mine.pth").write_bytes(b"weights")
    (tmp_path / "weights.toml").write_text(
        '[[weights]]\nname = "mine"\nfile = "mine.pth"\nlayers = ["plain"]\nlicence = "MIT"\n'
        'may_have_seen = ["lidc-idri"]\norigin_licence = "not verified"\n'
        '[[weights]]\nname = "mine"\nfile = "absent.pth"\nlayers = ["crossd"]\n'
    )
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(tmp_path / "weights.toml"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "mine.pth"


def test_list(named: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows][:5] == ["mine", "mine", "in1k", "in1k", "rin"]
    ct = {"astra", "fmcib", "medicalnet", "merlin"}
    assert {row["name"] for row in rows[5:]} == {"brainlm", "in1k", "rin"} | ct
    assert rows[0]["here"] == [str(named)]
    assert not any(row["here"] for row in rows if row["source"].startswith("hf:"))
    assert (rows[0]["licence"], rows[0]["may_have_seen"]) == ("MIT", ["lidc-idri"])
    assert rows[2]["source"].startswith("hf:timm/resnet18.tv_in1k/model.safetensors@bbd144b3")
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if line.startswith("mine")] == ["mine", "mine"]
    assert {"yes", "MIT; origin: not verified", "lidc-idri"} <= set(re.split(r" {2,}", lines[2]))
    assert "crossd-aligned" in "".join(lines)


def test_fetch(named: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "mine", "--method", "acs"]) == 0
    assert capsys.readouterr().out == f"{named}\n"
    assert main(["weights", "fetch", "mine"]) == 2
    captured = capsys.readouterr()
    assert captured.out == f"{named}\n"
    assert "no weights 'mine' at '" in captured.err
    assert main(["weights", "fetch", "yours"]) == 2
    assert "unknown weights 'yours'" in capsys.readouterr().err


def test_inspect_in_words(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "inspect", str(checkpoint), "--method", "crossd,acs"]) == 0
    shown = capsys.readouterr().out
    assert f"w.safetensors: {227} tensors" in shown
    assert hashlib.sha256(checkpoint.read_bytes()).hexdigest() in shown
    assert "2D test_resnet of crossd layers, 3 classes\nrecipe 0123abcd\n" in shown
    assert "inputs normalised by radimagenet statistics" in shown
    assert "has seen 2 groups of nodules.npz:9" in shown
    row = next(line for line in shown.splitlines() if line.startswith("crossd"))
    assert row.split("  ")[1:] == [
        "fits: 225 carried, 2 fresh",
        "converted: 90 carried, 2 fresh, 135 dropped",
    ]
    assert "acs     not applicable" in shown
    assert "no: 75 carried, 2 fresh, 15 missing" in shown


def test_inspect_one_method_gives_the_reason(
    checkpoint: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["weights", "inspect", str(checkpoint), "--method", "acs"]) == 0
    assert "acs for volumes: made with another method's layers: it has" in capsys.readouterr().out


def test_inspect_key_by_key(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["weights", "inspect", str(checkpoint), "--method", "crossd", "--keys"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (seen,) = found["about"]["seen"]
    assert (seen["file"], seen["unit"], seen["codes"]) == ("nodules.npz:9", "group", [1, 5])
    assert (found["tensors"], found["dtypes"]) == (227, ["float32", "int64"])
    flat, volumetric = found["networks"]
    assert (flat["fits"], flat["converted"], flat["misfit"]) == (True, False, None)
    assert (volumetric["kind"], volumetric["converted"]) == ("volume", True)
    assert {"name": "bn1.bias", "state": "carried", "made_of": []} in volumetric["keys"]
    assert main(command) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["conv1.0.weight", "carried", "conv1.0.weights_3d"] in lines
    assert ["conv1.0.rotation_params.0.bias", "dropped", "–"] in lines


def test_inspect_a_foreign_file_under_another_backbone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "theirs.pth"
    torch.save(build_model("conv2d", dims=2, num_classes=3, backbone=SMALL).state_dict(), file)
    command = ["weights", "inspect", str(file), "--method", "conv2d", "--backbone"]
    assert main([*command, SMALL]) == 0
    shown = capsys.readouterr().out
    assert "says nothing of itself" in shown
    assert "fits: 90 carried, 2 fresh" in shown
    assert main([*command, "resnet10t"]) == 0
    assert "no: " in capsys.readouterr().out
    assert main([*command, "resnet_18"]) == 2
    assert "unknown backbone 'resnet_18'" in capsys.readouterr().err
    assert main(["weights", "inspect", str(tmp_path / "absent.pth")]) == 2
    assert "no checkpoint at" in capsys.readouterr().err


def test_inspect_tells_what_a_file_has_beside_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = build_model("i3resnet", dims=3, num_classes=0, backbone="resnet18").state_dict()
    file = tmp_path / "merlin.pt"
    theirs = {f"encode_image.i3_resnet.{key}": tensor for key, tensor in state.items()}
    torch.save(theirs | {f"encode_text.{n}": torch.ones(2) for n in range(5)}, file)
    command = ["weights", "inspect", str(file), "--method", "conv3d"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert f"merlin.pt: {len(state)} tensors" in shown
    assert "leaves out 5 tensors of the file's other parts (encode_text.0, enc" in shown
    assert "119 of 120 tensors fit; conv1.weight is 3x7x7 where the 3D network's is 7x" in shown
    assert main([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["left_out"] == [f"encode_text.{n}" for n in range(5)]


def test_inspect_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    network = build_model("conv2d", dims=2, num_classes=3, backbone=SMALL)
    torch.save(network.state_dict(), tmp_path / "mine.pth")
    entry = f'[[weights]]\nname = "mine"\nfile = "mine.pth"\nbackbone = "{SMALL}"\n'
    (tmp_path / "weights.toml").write_text(entry + 'layers = ["plain"]\n')
    monkeypatch.setenv("CROSSBENCH_WEIGHTS", str(tmp_path / "weights.toml"))
    assert main(["weights", "inspect", "mine", "--method", "acs,crossd"]) == 0
    shown = capsys.readouterr().out
    assert f"in {SMALL}:" in shown
    assert [line for line in shown.splitlines() if line.startswith("crossd")] == []
    assert main(["weights", "inspect", "mine", "--method", "crossd"]) == 2
    assert "'mine' stands for 0 files with this --method" in capsys.readouterr().err
