"""The inflated ResNet: stage by stage against one written down from its description."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.nets.build import build_model
from crossbench.nets.weights.catalogue import named_weights
from crossbench.nets.weights.retrieval import fetch, present
from crossbench_baselines.i3resnet import I3ResNet

STAGES = {"layer1": (3, 1), "layer2": (8, 2), "layer3": (36, 2), "layer4": (3, 2)}


def described(tensors: Mapping[str, Tensor], x: Tensor) -> dict[str, Tensor]:
    """Every stage's output, from the words of the architecture and tensors by torchvision's names.

    Stem 3x7x7, stride (1, 2, 2), padding (1, 3, 3); max pool of 3, stride 2, padding 1; bottlenecks
    of 1x1x1, 3x3x3 and 1x1x1, the stride on the second; the shortcut 1x1x1 with the same stride.
    """

    def conv(name: str, x: Tensor, **geometry: object) -> Tensor:
        return functional.conv3d(x, tensors[f"{name}.weight"].float(), **geometry)  # type: ignore[arg-type]

    def norm(name: str, x: Tensor) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, gain, shift = (tensors[f"{name}.{part}"].float() for part in parts)
        return functional.batch_norm(x, mean, variance, gain, shift, training=False, eps=1e-5)

    x = norm("bn1", conv("conv1", x, stride=(1, 2, 2), padding=(1, 3, 3))).relu()
    x = functional.max_pool3d(x, 3, stride=2, padding=1)
    found = {"maxpool": x}
    for stage, (blocks, first) in STAGES.items():
        for block in range(blocks):
            name, stride = f"{stage}.{block}", first if block == 0 else 1
            y = norm(f"{name}.bn1", conv(f"{name}.conv1", x)).relu()
            y = norm(f"{name}.bn2", conv(f"{name}.conv2", y, stride=stride, padding=1)).relu()
            y = norm(f"{name}.bn3", conv(f"{name}.conv3", y))
            if block == 0:
                x = conv(f"{name}.downsample.0", x, stride=stride)
                x = norm(f"{name}.downsample.1", x)
            x = (x + y).relu()
        found[stage] = x
    return found


def staged(network: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """Every stage's output of a network of timm."""
    found: dict[str, Tensor] = {}
    hooks = [
        network.get_submodule(stage).register_forward_hook(
            lambda _module, _inputs, answer, stage=stage: found.update({stage: answer})
        )
        for stage in ("maxpool", *STAGES)
    ]
    network(x)
    for hook in hooks:
        hook.remove()
    return found


def seeded() -> dict[str, Tensor]:
    """A state dict with BatchNorm that neither hides a branch nor lets signals grow."""
    torch.manual_seed(0)
    state = build_model("i3resnet", dims=3, num_classes=2, backbone="resnet152").state_dict()
    for name, tensor in state.items():
        if name.endswith("running_var"):
            tensor.uniform_(0.5, 2.0)
        elif name.endswith(("running_mean", ".bias")):
            tensor.normal_(std=0.1)
        elif "bn3" in name and name.endswith("weight"):
            tensor.uniform_(0.1, 0.3)
    return state


def real() -> dict[str, Tensor]:
    """Those of `astra`, whose BatchNorm is stored in bfloat16 too."""
    (known,) = named_weights("astra")
    if not present(known):
        pytest.skip(f"not installed: {' '.join(part.package for part in known.packages)}")
    tensors = torch.load(fetch(known), weights_only=True)["state_dict"]
    assert len(tensors) == 930
    return dict(tensors)


@pytest.mark.parametrize("weights", [seeded, real])
@torch.no_grad()
def test_every_stage_is_that_of_the_described_architecture(
    weights: Callable[[], dict[str, Tensor]],
) -> None:
    tensors = weights()
    network = build_model("i3resnet", dims=3, num_classes=0, backbone="resnet152").eval()
    network.load_state_dict(tensors, strict=False)
    assert {name for name in network.state_dict() if name not in tensors} == set()
    x = torch.rand(2, 3, 20, 32, 32)
    expected, found = described(tensors, x), staged(network, x)
    assert found.keys() == expected.keys()
    for stage, answer in expected.items():
        assert (found[stage] - answer).abs().max() <= 1e-5 * answer.abs().max(), stage
    pooled = expected["layer4"].mean(dim=(2, 3, 4))
    torch.testing.assert_close(network(x), pooled, rtol=0, atol=1e-5 * float(pooled.max()))


def test_it_starts_slice_by_slice() -> None:
    conv = nn.Conv2d(3, 4, 7, stride=2, padding=3)
    layer = I3ResNet().layer_3d(conv)
    x = torch.randn(2, 3, 5, 16, 16)
    answer = layer(x)
    assert answer.shape == (2, 4, 5, 8, 8)
    for depth in range(5):
        torch.testing.assert_close(answer[:, :, depth], conv(x[:, :, depth]))


@pytest.mark.parametrize("frozen", [False, True])
def test_a_small_kernel_is_a_cube_with_the_layers_geometry(frozen: bool) -> None:
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=2).eval()
    conv.requires_grad_(not frozen)
    layer = I3ResNet().layer_3d(conv)
    assert isinstance(layer, nn.Conv3d)
    geometry = (layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.groups)
    assert geometry == ((3,) * 3, (2,) * 3, (2,) * 3, (2,) * 3, 2)
    assert layer.weight.requires_grad is not frozen
    assert (layer.training, layer.bias) == (False, conv.bias)
    sides = [float(layer.weight.detach()[:, :, place].abs().max()) for place in (0, 2)]
    assert sides == [0, 0]


def test_a_kernel_without_a_middle_is_refused() -> None:
    with pytest.raises(ConversionError, match="kernel_size 2 is even, so no slice is its middle"):
        I3ResNet().layer_3d(nn.Conv2d(1, 1, 2))


def test_random_weights_fill_every_slice() -> None:
    network = build_model("i3resnet", dims=3, num_classes=2, backbone="test_resnet")
    kernels = [each.weight for each in network.modules() if isinstance(each, nn.Conv3d)]
    assert {bool(kernel.detach()[:, :, 0].any()) for kernel in kernels} == {True}
