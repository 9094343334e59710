"""What each method would carry of a checkpoint, key by key."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossbench.nets.backbones import create_backbone, replace_convolutions
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import CheckpointMetadata, read_checkpoint, write_checkpoint
from crossbench.nets.weights.inspection import Carry, carry, find_origins
from crossbench.registry.methods import load_method

SMALL = "test_resnet"


def state(method: str, dims: int) -> dict[str, Tensor]:
    return build_model(method, dims=dims, num_classes=7, backbone=SMALL).state_dict()


def inspect(
    file: Path, tensors: dict[str, Tensor], method: str, about: CheckpointMetadata | None = None
) -> dict[str, Carry]:
    if about is None:
        torch.save(tensors, file)
    else:
        write_checkpoint(file, tensors, about)
    return {each.kind: each for each in carry(read_checkpoint(file), load_method(method), SMALL)}


def test_2d_checkpoint_of_cross_d(tmp_path: Path) -> None:
    tensors = state("crossd", 2)
    found = inspect(tmp_path / "w.pth", tensors, "crossd")
    assert found.keys() == {"image", "volume"}
    assert not found["image"].misfit
    assert not found["volume"].misfit
    assert found["volume"].converted
    assert found["image"].counts == {"carried": len(tensors) - 2, "fresh": 2}

    keys = {key.name: key for key in found["volume"].keys}
    kernels = [key for key in tensors if key.endswith("weights_3d")]
    for kernel in kernels:
        made = keys[kernel.replace("weights_3d", "weight")]
        assert (made.state, made.made_of) == ("carried", (kernel,))
    dropped = {name for name, key in keys.items() if key.state == "dropped"}
    assert dropped == {key for key in tensors if "rotation_params" in key}
    assert keys["bn1.running_var"].state == "carried"
    assert keys["bn1.running_var"].made_of == ()
    assert keys["fc.weight"].state == "fresh"
    assert keys.keys() == state("crossd", 3).keys() | dropped


@pytest.mark.parametrize("method", ["acs", "conv3d"])
def test_2d_checkpoint_of_plain_layers(tmp_path: Path, method: str) -> None:
    (found,) = inspect(tmp_path / "w.pth", state("conv2d", 2), method).values()
    assert (found.kind, found.converted, found.misfit) == ("volume", True, "")
    assert found.counts.keys() == {"carried", "fresh"}


def test_plain_checkpoint_of_a_method_that_lifts(tmp_path: Path) -> None:
    tensors = state("conv2d", 2)
    found = inspect(tmp_path / "w.pth", tensors, "crossd-lifted")
    kernels = [key for key in tensors if tensors[key].ndim == 4]
    for kind, name in (("image", "weights_3d"), ("volume", "weight")):
        assert (found[kind].misfit, found[kind].converted) == ("", True)
        keys = {key.name: key for key in found[kind].keys}
        for kernel in kernels:
            key = keys[kernel.replace("weight", name)]
            assert (key.state, key.made_of or (key.name,)) == ("carried", (kernel,))
    rotation = [key for key in found["image"].keys if "rotation_params" in key.name]
    assert rotation
    assert {key.state for key in rotation} == {"fresh"}

    own = inspect(tmp_path / "w.pth", state("crossd-lifted", 2), "crossd-lifted")["image"]
    assert (own.misfit, own.converted) == ("", False)
    neither = inspect(tmp_path / "w.pth", {"x": torch.ones(1)}, "crossd-lifted")["image"]
    assert "; with the method's own layers: does not fit the 2D network" in neither.misfit


def test_3d_checkpoint(tmp_path: Path) -> None:
    tensors = state("conv3d", 3)
    for about in (None, CheckpointMetadata(method="conv3d", dims=3, backbone=SMALL, num_classes=7)):
        file = tmp_path / ("w.pth" if about is None else "w.safetensors")
        (found,) = inspect(file, tensors, "conv3d", about).values()
        assert (found.kind, found.converted, found.misfit) == ("volume", False, "")
        assert found.counts == {"carried": len(tensors) - 2, "fresh": 2}
        flat = inspect(file, tensors, "conv2d", about)["image"]
        assert flat.misfit
        assert flat.counts["shape"] == sum(tensor.dim() == 5 for tensor in tensors.values())


def test_3d_checkpoint_that_nearly_fits(tmp_path: Path) -> None:
    network = build_model("i3resnet", dims=3, num_classes=7, backbone="resnet18")
    file = tmp_path / "w.pth"
    torch.save(network.state_dict(), file)
    (found,) = carry(read_checkpoint(file), load_method("conv3d"), "resnet18")
    assert found.misfit == (
        "119 of 120 tensors fit; conv1.weight is 3x7x7 where the 3D network's is 7x7x7; choose the "
        "backbone and the method that the checkpoint was made with"
    )
    assert found.counts == {"carried": 119, "fresh": 2, "shape": 1}
    assert (found.kind, found.converted) == ("volume", False)


@pytest.mark.parametrize("other", ["i3resnet", "conv3d", "acs", "crossd", "crossd-lifted"])
@pytest.mark.parametrize("made_by", ["i3resnet", "crossd"])
def test_every_tensor_of_a_volumetric_checkpoint_is_accounted_for(
    tmp_path: Path, made_by: str, other: str
) -> None:
    """Whatever network it is held against; one of them lacks, has too much, or is unlike."""
    torch.manual_seed(0)
    tensors = state(made_by, 3)
    tensors |= {"text.weight": torch.ones(2), "fc.bias": torch.ones(9)}
    tensors["bn1.bias"] = tensors["bn1.bias"].to(torch.int64)
    del tensors["bn1.weight"]
    for found in inspect(tmp_path / "w.pth", tensors, other).values():
        keys = {key.name: key.state for key in found.keys}
        assert keys.keys() >= tensors.keys()
        assert (keys["text.weight"], keys["bn1.bias"]) == ("unexpected", "dtype")
        assert keys["bn1.weight"] == "missing"
        assert sum(found.counts.values()) == len(found.keys)
        assert found.misfit


@pytest.mark.parametrize("method", ["i3resnet", "conv3d", "crossd"])
def test_what_is_carried_of_a_volumetric_checkpoint_is_in_the_network(
    tmp_path: Path, method: str
) -> None:
    torch.manual_seed(0)
    tensors = {
        key: torch.randn_like(tensor) if tensor.is_floating_point() else tensor
        for key, tensor in state(method, 3).items()
    }
    (found,) = (
        each
        for each in inspect(tmp_path / "w.pth", tensors, method).values()
        if each.kind == "volume"
    )
    assert (found.misfit, found.converted) == ("", False)
    loaded = build_model(
        method, dims=3, num_classes=2, backbone=SMALL, init=tmp_path / "w.pth"
    ).state_dict()
    carried = {key.name for key in found.keys if key.state == "carried"}
    assert carried == {key for key in tensors if not key.startswith("fc.")}
    assert all(torch.equal(loaded[key], tensors[key]) for key in carried)


def test_every_state_is_told(tmp_path: Path) -> None:
    tensors = state("conv2d", 2)
    del tensors["bn1.weight"], tensors["bn1.num_batches_tracked"], tensors["fc.bias"]
    tensors |= {"bn1.bias": torch.ones(3), "extra": torch.ones(3)}
    found = inspect(tmp_path / "w.pth", tensors, "conv2d")["image"]
    assert "does not fit the 2D network key by key: 1 missing (bn1.weight), 1 un" in found.misfit
    states = {key.name: key.state for key in found.keys}
    assert states.pop("bn1.weight") == "missing"
    assert states.pop("bn1.bias") == "shape"
    assert states.pop("extra") == "unexpected"
    fresh = {"bn1.num_batches_tracked", "fc.bias", "fc.weight"}
    assert {name for name, each in states.items() if each != "carried"} == fresh
    assert all(states[name] == "fresh" for name in fresh)

    volumetric = inspect(tmp_path / "w.pth", tensors, "acs")["volume"]
    assert {key.name for key in volumetric.keys if key.state == "unexpected"} == {"extra"}
    assert volumetric.misfit == found.misfit


def test_backbone_that_cannot_be_converted(tmp_path: Path) -> None:
    torch.save({"x": torch.ones(1)}, tmp_path / "w.pth")
    checkpoint = read_checkpoint(tmp_path / "w.pth")
    for each in carry(checkpoint, load_method("crossd"), "test_nfnet"):
        assert "it computes more than a plain Conv2d" in each.misfit
        assert each.keys == ()


def test_origins_of_a_layer_that_mixes_and_drops() -> None:
    """Found by what the tensors do, whatever they are called."""

    class Mixed(nn.Conv2d):
        def __init__(self) -> None:
            super().__init__(3, 4, 3)
            self.gain = nn.Parameter(torch.ones(4))
            self.unused = nn.Parameter(torch.ones(2))

    class Mixing(type(load_method("conv3d"))):  # type: ignore[misc]
        def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
            return Mixed()

        def layer_3d(self, layer: nn.Module) -> nn.Module:
            assert isinstance(layer, Mixed)
            new = nn.Conv3d(3, 4, 3, device="meta")
            weight = (layer.weight * layer.gain[:, None, None, None])[:, :, None]
            new.weight = nn.Parameter(weight.expand(-1, -1, 3, -1, -1).detach())
            new.bias = nn.Parameter(torch.zeros(4))
            return new

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    layers = replace_convolutions(network, Mixing())
    origins = find_origins(network, Mixing(), layers)
    assert origins["0.weight"] == ("0.weight", "0.gain")
    assert origins["0.bias"] == ()
    assert origins["1.running_mean"] == ("1.running_mean",)


def test_looking_leaves_the_network_as_it_was() -> None:
    method = load_method("crossd")
    network = create_backbone(SMALL, 2)
    layers = replace_convolutions(network, method)
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    find_origins(network, method, layers)
    assert all(torch.equal(before[key], tensor) for key, tensor in network.state_dict().items())
