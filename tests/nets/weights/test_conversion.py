"""Foreign checkpoints as checkpoints of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from crossbench.cli import main
from crossbench.files.hashing import hash_file
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import read_checkpoint

SMALL = "test_resnet"


def test_2d_and_3d_weights_become_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = build_model("conv2d", dims=2, num_classes=3, backbone=SMALL).state_dict()
    inflated = build_model("i3resnet", dims=3, num_classes=0, backbone=SMALL).state_dict()
    merlin = {f"encode_image.i3_resnet.{key}": tensor for key, tensor in inflated.items()}
    compiled = {"state_dict": {f"_orig_mod.{key}": tensor for key, tensor in flat.items()}}
    for name, stored, method in (("flat", compiled, "acs"), ("deep", merlin, "i3resnet")):
        torch.save(stored, tmp_path / f"{name}.pt")
        command = ["weights", "convert", str(tmp_path / f"{name}.pt"), "--method", method]
        command += ["--backbone", SMALL, "--to", str(tmp_path / name)]
        assert main(command + ["--statistics", "unit"] * (name == "flat")) == 0
        assert capsys.readouterr().out == f"{tmp_path / name}.safetensors\n"
    for name, state, said in (
        ("flat", flat, ("plain", 2, 3, "unit")),
        ("deep", inflated, ("i3resnet", 3, 0, None)),
    ):
        ours = read_checkpoint(tmp_path / f"{name}.safetensors")
        about = ours.about
        assert about is not None
        assert (about.method, about.dims, about.num_classes, about.statistics) == said
        assert about.details["sha256"] == hash_file(tmp_path / f"{name}.pt")
        assert ours.tensors.keys() == state.keys()
        assert all(torch.equal(ours.tensors[key], state[key]) for key in state)


def test_what_does_not_fit_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = build_model("conv2d", dims=2, num_classes=3, backbone=SMALL).state_dict()
    state.pop("bn1.weight")
    torch.save(state, tmp_path / "w.pt")
    command = ["weights", "convert", str(tmp_path / "w.pt"), "--backbone", SMALL]
    assert main([*command, "--method", "conv2d", "--to", str(tmp_path / "o")]) == 2
    assert "fits no test_resnet of conv2d: for images: does not fit" in capsys.readouterr().err
    assert not (tmp_path / "o.safetensors").exists()
