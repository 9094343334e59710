"""Volumetric foundation networks: against MONAI, and against one written down in plain torch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
import torch
from monai.networks.nets import ResNet, resnet18, resnet50
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.nets.build import build_model
from crossbench_baselines._volumetric_resnet import VolumetricResNet
from crossbench_baselines.fmcib import _DESIGN


def unsettled(network: nn.Module) -> dict[str, Tensor]:
    """A state dict whose BatchNorm hides nothing."""
    torch.manual_seed(0)
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif name.endswith(("running_mean", ".bias")):
            tensor.normal_(std=0.1)
    return state


def test_fmcib_has_the_tensors_of_that_network_of_monai() -> None:
    with torch.device("meta"):
        theirs = resnet50(spatial_dims=3, n_input_channels=1, widen_factor=2, feed_forward=False)
        network = build_model("fmcib", dims=3, num_classes=0, backbone="resnet50")
    assert sum(each.numel() for each in network.parameters()) == 184_477_824
    assert sum(isinstance(each, nn.Conv3d) for each in network.modules()) == 53
    shapes, expected = (
        {name: tensor.shape for name, tensor in each.state_dict().items()}
        for each in (network, theirs)
    )
    assert shapes == expected


@torch.no_grad()
def test_fmcib_computes_as_monai_at_a_sixteenth_of_the_width() -> None:
    narrow = ResNet(
        "bottleneck",
        [3, 4, 6, 3],
        [8, 16, 32, 64],
        n_input_channels=1,
        conv1_t_stride=2,  # as the authors' own loader has it
        feed_forward=False,
    )
    network = VolumetricResNet(dataclasses.replace(_DESIGN, width=8), 0).eval()
    network.load_state_dict(unsettled(narrow))
    x = torch.rand(2, 1, 32, 36, 40)
    expected = narrow.eval()(x)
    assert expected.shape == (2, 256)
    found = network(x.expand(-1, 3, -1, -1, -1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.max()))


def encoded(tensors: Mapping[str, Tensor], x: Tensor) -> Tensor:
    """MedicalNet's ResNet-18 in the words of its authors' code: strides 2 and 2 in stem and pool,
    2 in layer2, dilation 2 in layer3 and 4 in layer4, channels of zeros on the way around."""

    def norm(name: str, x: Tensor) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(tensors[f"{name}.{part}"] for part in parts))

    x = (x - x.mean((1, 2, 3, 4), keepdim=True)) / x.std((1, 2, 3, 4), correction=0, keepdim=True)
    x = functional.conv3d(x, tensors["conv1.weight"], stride=2, padding=3)
    x = functional.max_pool3d(norm("bn1", x).relu(), 3, stride=2, padding=1)
    for stage, (first, dilation) in enumerate(((1, 1), (2, 1), (1, 2), (1, 4)), 1):
        for block in range(2):
            name, stride = f"layer{stage}.{block}", first if block == 0 else 1
            geometry = {"padding": dilation, "dilation": dilation}
            y = functional.conv3d(x, tensors[f"{name}.conv1.weight"], stride=stride, **geometry)
            y = norm(f"{name}.bn1", y).relu()
            y = norm(
                f"{name}.bn2", functional.conv3d(y, tensors[f"{name}.conv2.weight"], **geometry)
            )
            x = functional.avg_pool3d(x, 1, stride=stride)
            rest = torch.zeros(len(x), y.shape[1] - x.shape[1], *x.shape[2:])
            x = (y + torch.cat([x, rest], dim=1)).relu()
    return x.mean((2, 3, 4))


@torch.no_grad()
def test_medicalnet_is_the_encoder_of_its_authors() -> None:
    network = build_model("medicalnet", dims=3, num_classes=0).eval()
    state = unsettled(network)
    theirs = resnet18(spatial_dims=3, n_input_channels=1, feed_forward=False, shortcut_type="A")
    assert state.keys() == theirs.state_dict().keys()
    x = 5 + torch.randn(2, 1, 24, 32, 32)
    expected = encoded(state, x)
    found = network(x.expand(-1, 3, -1, -1, -1))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5 * float(expected.max()))
    assert (
        build_model("medicalnet", dims=3, num_classes=2)(torch.zeros(2, 3, 8, 8, 8))
        .isfinite()
        .all()
    )


def test_other_backbones_are_refused() -> None:
    with pytest.raises(ConversionError, match="choose --backbone resnet18, resnet34, resnet50"):
        build_model("medicalnet", dims=3, num_classes=2, backbone="resnet10t")
    with pytest.raises(ConversionError, match="'resnet18' is not FMCIB's; choose --backbone resn"):
        build_model("fmcib", dims=3, num_classes=2)
