"""Networks that methods build whole: attention over slices, and a native 3D one of a library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import monai.networks.nets.resnet  # noqa: F401  (it changes the environment, which is warned of)
import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

import crossbench
from crossbench.nets.build import build_model
from crossbench.registry.methods import load_plugin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METHODS = """
from monai.networks.nets.resnet import ResNet
from torch import nn

class AttentionOverSlices:
    '''A 2.5D aggregator: the 2D network over slices, whose features are weighed by attention.'''

    name, inputs = "attention-over-slices", ("volume",)
    learns = ("attention",)

    def build(self, request):
        return Aggregator(request.image_network(0), request.num_classes)

class Aggregator(nn.Module):
    def __init__(self, image_network, num_classes):
        super().__init__()
        features = image_network.num_features
        self.image_network, self.attention = image_network, nn.Linear(features, 1)
        self.head = nn.Linear(features, num_classes) if num_classes else nn.Identity()

    def get_classifier(self):
        return self.head

    def forward(self, volumes):
        slices = volumes.transpose(1, 2)
        features = self.image_network(slices.flatten(0, 1)).unflatten(0, slices.shape[:2])
        weights = self.attention(features).softmax(dim=1)
        return self.head((weights * features).sum(dim=1))

class Monai3d:
    '''A ResNet of MONAI, native in 3D: no 2D network and no 2D weights have a part in it.'''

    name, inputs, image_weights = "monai-resnet", ("volume",), False

    def build(self, request):
        network = ResNet(
            "basic", [1, 1, 1, 1], [4, 8, 8, 16], n_input_channels=3, conv1_t_size=3,
            num_classes=request.num_classes or 1, feed_forward=bool(request.num_classes),
        )
        if not request.num_classes:
            network.fc = nn.Identity()
        network.get_classifier = lambda: network.fc
        return network
"""


@pytest.fixture
def plugins(tmp_path: Path) -> list[str]:
    """A plugin for each method of one file."""
    (tmp_path / "whole.py").write_text(METHODS)
    return [f"{tmp_path / 'whole.py'}:{name}" for name in ("AttentionOverSlices", "Monai3d")]


def test_each_runs_under_a_probe_and_fitted_and_its_own_parts_learn(
    plugins: list[str], make_task: Callable[..., Path], tmp_path: Path
) -> None:
    card = str(make_task())
    learnt = {}
    for protocol in ("linear-probe", "weak-probe"):
        frame = crossbench.run(
            ["attention-over-slices", "monai-resnet"],
            card,
            plugins=plugins,
            protocol=protocol,
            seeds=[43],
            folds=[0],
            settings=["fit.epochs=1", "compute.threads=1"],
            data_dir=tmp_path,
            backbone="test_resnet",
            out=tmp_path / "out",
            device="cpu",
        )
        runs = frame[frame["method"].isin(["attention-over-slices", "monai-resnet"])]
        assert list(runs["status"]) == ["ok", "ok"], runs["error_message"].tolist()
        trainable = runs.set_index("method")["parameters_trainable"]
        learnt[protocol] = trainable.astype(int).to_dict()
    assert learnt["linear-probe"] == {"attention-over-slices": 96 + 1, "monai-resnet": 16 + 1}
    assert learnt["weak-probe"] == {
        "attention-over-slices": 2 * (96 + 1) + norms(plugins[0]) + (96 + 1),
        "monai-resnet": 2 * (16 + 1) + norms(plugins[1]),
    }


def norms(plugin: str) -> int:
    """The parameters of a network's BatchNorm, which learn with the head."""
    network = build_model(load_plugin(plugin), dims=3, num_classes=2, backbone="test_resnet")
    modules = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    return sum(tensor.numel() for module in modules for tensor in module.parameters())


@torch.no_grad()
def test_slices_are_weighed_and_their_order_is_free(plugins: list[str]) -> None:
    method = load_plugin(plugins[0])
    network = build_model(method, dims=3, num_classes=2, backbone="test_resnet").eval()
    assert isinstance(network.attention, nn.Linear)
    volumes = torch.randn(2, 3, 5, 32, 32)
    torch.testing.assert_close(network(volumes), network(volumes.flip(2)))
    nn.init.zeros_(network.attention.weight)
    mean = network.image_network(volumes.transpose(1, 2).flatten(0, 1)).unflatten(0, (2, 5)).mean(1)
    torch.testing.assert_close(network(volumes), network.get_classifier()(mean))
