"""The last modules of a network on their own: what they compute, and what they learn."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from crossbench.data.dataset import Dataset
from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.volume import VolumeTransform
from crossbench.errors import ConversionError, RequestError
from crossbench.nets.build import build_model
from crossbench.nets.lora import lora_parameters, merge_lora
from crossbench.protocols import PROTOCOLS
from crossbench.protocols.interface import Rehearsal
from crossbench.registry.presets import find_preset
from crossbench.specs import FitSettings, LoraSettings
from crossbench.training.fit import fit, prepare
from crossbench.training.loader import BatchLoader
from crossbench.training.tail import cut, features_at

CPU = torch.device("cpu")
X = torch.rand(2, 3, 32, 32, 32)


def network() -> nn.Module:
    torch.manual_seed(0)
    return build_model("conv3d", dims=3, num_classes=2, backbone="test_resnet")


@pytest.mark.parametrize("name", ["layer4", "layer3.0.conv2", "conv1", "global_pool", "fc"])
def test_a_tail_computes_what_the_whole_network_does(name: str) -> None:
    model = network()
    if name == "layer3.0.conv2":
        with pytest.raises(ConversionError, match=r"layer3.0.conv2 in ResNet is fed by more than"):
            cut(model, name, lambda whole: whole(X))
        return
    tail = cut(model, name, lambda whole: whole(X))
    torch.testing.assert_close(tail.network(tail.example), model(X))
    own = {id(parameter) for parameter in tail.network.parameters()}
    assert own <= {id(parameter) for parameter in model.parameters()}


def test_a_name_that_is_none_of_its_modules() -> None:
    with pytest.raises(RequestError, match=r"fit.train_from: ResNet has no module 'layer9'"):
        cut(network(), "layer9", lambda whole: whole(X))


@pytest.mark.parametrize(
    ("protocol", "augment", "obstacle"),
    [
        ("weak-probe", False, "and weak-probe trains parts of it; leave it out"),
        ("finetune", True, "augmentation changes it; --set input.augment=false"),
        ("finetune", False, ""),
        ("lora", False, ""),
    ],
)
def test_a_plan_says_where_features_cannot_be_kept(
    protocol: str, augment: bool, obstacle: str
) -> None:
    preset = find_preset("standard")
    preset = replace(
        preset,
        fit=replace(preset.fit, train_from="layer4"),
        input=replace(preset.input, augment=augment),
    )
    rehearsal = Rehearsal(
        method="conv3d", init="random", preset=preset, batch=2, feed=lambda whole, _: whole(X)
    )
    found = PROTOCOLS[protocol].rehearse(network(), rehearsal)
    assert found.obstacle.endswith(obstacle)
    assert bool(found.learns) is (obstacle == "")


class Frozen(nn.Module):
    """A network whose first part stays in evaluation mode and gets no gradient."""

    def __init__(self, whole: nn.Module) -> None:
        super().__init__()
        self.whole = whole

    def get_classifier(self) -> nn.Module:
        return self.whole.get_classifier()

    def train(self, mode: bool = True) -> Frozen:
        super().train(mode)
        for name, module in self.whole.named_children():
            module.train(mode and name in {"layer4", "global_pool", "fc"})
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            for name in ("conv1", "bn1", "act1", "maxpool", "layer1", "layer2", "layer3"):
                x = self.whole.get_submodule(name)(x)
        x = self.whole.layer4(x)
        return self.whole.forward_head(x)


def test_training_on_kept_features_is_training_behind_a_frozen_part() -> None:
    settings, schedule = FitSettings(epochs=3, lr=1e-2), PROTOCOLS["finetune"]
    train, validation = plain_loaders()
    slow, quick = network(), network()
    frozen = Frozen(slow)
    fit(
        frozen,
        schedule=schedule, settings=settings, train=train, validation=validation,
        random=RandomSource(3, CPU),
    )  # fmt: skip
    first, _ = next(train.ordered())
    tail = cut(quick, "layer4", lambda whole: whole(first))
    before = copy.deepcopy(quick.state_dict())
    parts = [features_at(quick, "layer4", part) for part in (train, validation)]
    found = fit(
        tail.network,
        schedule=schedule, settings=settings, train=parts[0], validation=parts[1],
        random=RandomSource(3, CPU),
    )  # fmt: skip
    expected, state = slow.state_dict(), quick.state_dict()
    for key, tensor in state.items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-3, atol=1e-5)
        if not key.startswith(("layer4", "fc")):
            assert torch.equal(tensor, before[key]), key
    assert not torch.equal(state["fc.weight"], before["fc.weight"])
    assert not torch.equal(state["layer4.0.conv1.weight"], before["layer4.0.conv1.weight"])
    assert found.trainable == sum(each.numel() for each in tail.network.parameters())


def test_updates_of_a_tail_are_merged_into_the_network() -> None:
    model, schedule = network(), PROTOCOLS["lora"]
    before = copy.deepcopy(model.state_dict())
    tail = cut(model, "layer4", lambda whole: whole(X))
    prepare(tail.network, schedule, LoraSettings(rank=2))
    factors = lora_parameters(tail.network)
    assert {name.split(".")[0] for name in factors} == {"layer4"}
    for factor in factors.values():
        nn.init.normal_(factor)
    changed = tail.network(tail.example)
    merge_lora(model)
    torch.testing.assert_close(model(X), changed)
    state = model.state_dict()
    assert state.keys() == before.keys()
    moved = {key for key, tensor in state.items() if not torch.equal(tensor, before[key])}
    assert {name.split(".")[0] for name in moved} == {"layer4"}


def plain_loaders() -> tuple[BatchLoader, BatchLoader]:
    random, labels = np.random.default_rng(0), np.arange(24) % 2
    images = random.normal(size=(24, 1, 32, 32, 32)) + labels[:, None, None, None, None]
    dataset = Dataset(
        images=images.astype(np.float32), labels=labels, num_classes=2, groups=None,
        official=None, covariate=None, source="real", file=Path("x"), content_hash="",
    )  # fmt: skip
    plain = VolumeTransform(value_range=(-3.0, 4.0), mean=(0.5,) * 3, std=(0.2,) * 3)
    first, second = (
        BatchLoader(dataset=dataset, indices=part, transform=plain, batch_size=8, device=CPU)
        for part in (np.arange(16), np.arange(16, 24))
    )
    return first, second
