"""Low-rank updates: what is adapted, what it computes, and against peft where peft works."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import timm
import torch
from monai.networks.nets import resnet50
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crossbench.errors import ConversionError
from crossbench.methods import KINDS, input_kinds
from crossbench.nets.build import build_model
from crossbench.nets.lora import add_lora, lora_parameters, merge_lora
from crossbench.nets.roles import roles_of
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import load_method
from crossbench_baselines.acs import ACSConv3d
from crossbench_baselines.crossd import CrossDConv2d

if TYPE_CHECKING:
    from pathlib import Path

# Of the methods that build their own network: one has its backbones alone, and one 184 million
# parameters, which its own test counts.
BACKBONES = {"medicalnet": "resnet18"}
METHODS = [
    (name, dims)
    for name in method_entries()
    for dims, kind in KINDS.items()
    if kind in input_kinds(load_method(name)) and name != "fmcib"
]


def adapted(network: nn.Module, **settings: Any) -> nn.Module:
    """The network in double precision and evaluation mode, with updates that are not zero."""
    network.double().eval()
    add_lora(network, **({"rank": 2, "alpha": 3.0} | settings))
    generator = torch.Generator().manual_seed(1)
    for factor in lora_parameters(network).values():
        nn.init.normal_(factor, std=0.1, generator=generator)
    return network


def trained(network: nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters() if tensor.requires_grad)


# ----------------------------------------------------------------------- every method


@pytest.mark.parametrize(("method", "dims"), METHODS)
def test_every_method_starts_as_it_was_and_merges_to_the_same_bits(method: str, dims: int) -> None:
    torch.manual_seed(0)
    backbone = BACKBONES.get(method, "test_resnet")
    network = build_model(method, dims=dims, num_classes=2, backbone=backbone).eval()
    x = torch.randn(2, 3, *[32] * dims)
    base, tensors = network(x), {key: tensor.shape for key, tensor in network.state_dict().items()}

    names = add_lora(network, rank=2, alpha=2.0)
    assert torch.equal(network(x), base)
    assert trained(network) == sum(p.numel() for p in lora_parameters(network).values())
    assert set(names) < set(tensors)

    for name, factor in lora_parameters(network).items():
        nn.init.normal_(factor, std=0.01 if name.endswith("lora_b") else 0.1)
    updated = network(x)
    assert not torch.allclose(updated, base)
    merge_lora(network)
    assert torch.equal(network(x), updated)
    assert {key: tensor.shape for key, tensor in network.state_dict().items()} == tensors


@pytest.mark.parametrize(
    ("method", "dims", "axes", "count"),
    [
        ("conv2d", 2, 2, 71_846),
        ("acs", 3, 2, 71_846),
        ("conv3d", 3, 3, 195_722),
        ("crossd", 2, 3, 195_722),
    ],
)
def test_equal_rank_is_not_equal_budget(method: str, dims: int, axes: int, count: int) -> None:
    """Rank r costs r (C_out + C_in K^n) a kernel; what steers a layer is left out."""
    network = build_model(method, dims=dims, num_classes=2)
    with torch.device("meta"):
        plain = timm.create_model("resnet18").modules()
    convs = [module for module in plain if isinstance(module, nn.Conv2d)]
    formula = sum(2 * (c.out_channels + c.in_channels * c.kernel_size[0] ** axes) for c in convs)
    assert len(add_lora(network, rank=2, alpha=2.0)) == len(convs) == 20
    assert trained(network) == formula == count


def test_rotation_networks_are_left_out() -> None:
    network = build_model("crossd", dims=2, num_classes=2, backbone="test_resnet")
    assert all(name.endswith(".weights_3d") for name in add_lora(network, rank=1, alpha=1.0))


# ----------------------------------------------------------------------- every geometry

LAYERS = {
    "1x1": (2, lambda: nn.Conv2d(4, 6, 1)),
    "dilated 2D": (2, lambda: nn.Conv2d(4, 6, 3, dilation=2, padding=2)),
    "grouped 2D": (2, lambda: nn.Conv2d(4, 6, 3, groups=2, stride=2)),
    "1x1x1": (3, lambda: nn.Conv3d(4, 6, 1)),
    "dilated 3D": (3, lambda: nn.Conv3d(4, 6, 3, dilation=2, padding=2)),
    "grouped 3D": (3, lambda: nn.Conv3d(4, 6, 3, groups=2, padding=1)),
    "depthwise 3D": (3, lambda: nn.Conv3d(4, 4, 3, groups=4, padding=1, padding_mode="circular")),
    "flat 3D": (3, lambda: nn.Conv3d(4, 6, (1, 3, 3), padding=(0, 1, 1))),
    "ACS": (3, lambda: ACSConv3d(nn.Conv2d(4, 6, 3, padding=1))),
    "ACS 1x1x1": (3, lambda: ACSConv3d(nn.Conv2d(4, 6, 1))),
    "Cross-D": (2, lambda: CrossDConv2d(4, 6, 3, padding=1)),
    "Cross-D 1x1": (2, lambda: CrossDConv2d(4, 6, 1)),
    "Cross-D dilated": (2, lambda: CrossDConv2d(4, 6, 3, dilation=2, padding=2)),
    "Cross-D grouped": (2, lambda: CrossDConv2d(4, 6, 3, groups=2, stride=2)),
}


@pytest.mark.parametrize("geometry", LAYERS)
def test_the_update_is_that_of_the_kernel_alone(geometry: str) -> None:
    """Layers are linear in their kernel, so kernel and update can be applied apart and added."""
    dims, make = LAYERS[geometry]
    layer = make().double().eval()
    (name,) = [kernel.name for kernel in roles_of(layer).kernels]
    kernel, bias = layer.get_parameter(name).detach().clone(), layer.bias
    x = torch.randn(2, 4, *[7] * dims, dtype=torch.float64)

    adapted(layer)
    a, b = (lora_parameters(layer)[f"parametrizations.{name}.0.lora_{each}"] for each in "ab")
    output = layer(x)
    merge_lora(layer)
    assert torch.equal(layer(x), output)

    def apply(weight: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {name: weight}, x)

    expected = apply(kernel) + apply(3.0 / 2 * (b @ a).view_as(kernel))
    if bias is not None:  # which was added twice
        expected = expected - bias.view(-1, *[1] * dims)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)


# peft fails on dilated layers and does not merge 1x1x1 ones: those are held to arithmetic above.
@pytest.mark.parametrize("conv", [nn.Conv2d, nn.Conv3d])
def test_it_is_pefts_with_the_same_factors(conv: type[nn.Conv2d | nn.Conv3d]) -> None:
    """A is peft's first convolution, kernel and all; B is its second, of size one."""

    def network() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(conv(3, 4, 3, stride=2, padding=1), nn.ReLU(), conv(4, 6, 1)).double()

    axes = 2 if conv is nn.Conv2d else 3
    x = torch.randn(2, 3, *[9] * axes, dtype=torch.float64)
    ours = adapted(network(), rank=2, alpha=3.0)
    oracle = get_peft_model(
        network(), LoraConfig(r=2, lora_alpha=3, target_modules=["0", "2"])
    ).eval()
    theirs = dict(oracle.named_parameters())
    with torch.no_grad():
        for name, factor in lora_parameters(ours).items():
            layer, side = name[0], name[-1].upper()
            copy = theirs[f"base_model.model.{layer}.lora_{side}.default.weight"]
            copy.copy_(factor.view_as(copy))
    assert trained(ours) == trained(oracle)
    torch.testing.assert_close(ours(x), oracle(x), rtol=0, atol=1e-12)


# ----------------------------------------------------------------------- what is adapted


class Steered(nn.Module):
    """A third party's layer: a kernel under another name, and a network that steers it."""

    in_channels, out_channels = 3, 5

    def __init__(self) -> None:
        super().__init__()
        self.filters = nn.Parameter(torch.randn(5, 3, 3, 3))
        self.gate = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5))

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.gate(x)) * nn.functional.conv2d(x, self.filters, padding=1)


class Network(nn.Module):
    """A layer used twice, one around a plain convolution, and a classifier with a kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.steered = Steered()
        self.wrapped = nn.Sequential(nn.Conv2d(5, 5, 1), nn.ReLU())
        self.again = self.wrapped[0]
        self.classifier = nn.Conv2d(5, 2, 1)

    def get_classifier(self) -> nn.Module:
        return self.classifier

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.again(self.wrapped(self.steered(x)))).mean((2, 3))


def test_kernels_are_found_under_any_name_once_each_and_not_in_the_classifier() -> None:
    assert add_lora(Network(), rank=1, alpha=1.0) == ("steered.filters", "wrapped.0.weight")


def test_spatial_kernels_are_larger_than_one() -> None:
    names = add_lora(Network(), rank=1, alpha=1.0, target="spatial")
    assert names == ("steered.filters",)


def test_only_factors_get_gradients_and_b_alone_at_first() -> None:
    network = Network()
    add_lora(network, rank=1, alpha=1.0)
    network(torch.randn(2, 3, 5, 5)).sum().backward()
    touched = {name for name, tensor in network.named_parameters() if tensor.grad is not None}
    assert touched == set(lora_parameters(network))
    moving = {name for name, factor in lora_parameters(network).items() if factor.grad.any()}
    assert moving == {name for name in touched if name.endswith("lora_b")}


def test_kernels_keep_their_precision_under_autocast() -> None:
    conv = nn.Conv2d(3, 4, 3)
    add_lora(conv, rank=1, alpha=1.0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert conv.weight.dtype == torch.float32
        assert conv(torch.randn(1, 3, 5, 5)).dtype == torch.bfloat16


def test_adapting_twice_and_adapting_nothing_are_refused() -> None:
    network = Network()
    add_lora(network, rank=1, alpha=1.0)
    with pytest.raises(ConversionError, match="Network has low-rank updates already; merge_lora"):
        add_lora(network, rank=1, alpha=1.0)
    with pytest.raises(ConversionError, match=r"Conv2d has no kernel to adapt \(target 'spatial'"):
        add_lora(nn.Conv2d(3, 4, 1), rank=1, alpha=1.0, target="spatial")


def test_updates_are_saved_and_loaded_alone(tmp_path: Path) -> None:
    def build() -> nn.Module:
        torch.manual_seed(0)
        return build_model("crossd", dims=2, num_classes=2, backbone="test_resnet")

    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    network = adapted(build())
    save_file(lora_parameters(network), tmp_path / "updates.safetensors")

    other = build().double().eval()
    add_lora(other, rank=2, alpha=3.0)
    found = other.load_state_dict(load_file(tmp_path / "updates.safetensors"), strict=False)
    assert found.unexpected_keys == []
    assert not any("lora" in key for key in found.missing_keys)
    assert torch.equal(other(x), network(x))


# ----------------------------------------------------------------------- a published size


def test_fmcib_at_rank_two_is_consistent_with_the_abstract() -> None:
    """1.64 M trainable, 113 times fewer: consistent with the abstract, rank inferred.

    The abstract is that of arXiv 2511.06163. Other factorisations reach 1.64 M too: this does
    not show that the factorisation is the study's own.
    """
    with torch.device("meta"):
        network = resnet50(widen_factor=2, n_input_channels=1, feed_forward=False)
        head = nn.Sequential(nn.Linear(4096, 256), nn.ReLU(), nn.Linear(256, 2))
    whole = sum(tensor.numel() for part in (network, head) for tensor in part.parameters())
    assert len(add_lora(network, rank=2, alpha=2.0)) == 53
    assert trained(network) == 589_742
    assert trained(network) + trained(head) == 1_639_088
    assert round(whole / (trained(network) + trained(head)), 2) == 113.19
