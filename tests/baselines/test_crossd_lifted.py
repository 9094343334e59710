"""Cross-D Conv made from plain 2D weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from crossbench.conformance.criteria import criteria
from crossbench.conformance.judging import judge
from crossbench.conformance.target import Target
from crossbench.errors import ConversionError
from crossbench.nets.build import build_model
from crossbench.nets.weights.init import find_init
from crossbench.registry.methods import load_method
from crossbench_baselines.crossd import CrossDConv2d
from crossbench_baselines.crossd_lifted import CrossDLifted

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a plain ResNet-18 whose BatchNorm has seen something."""
    torch.manual_seed(1)
    network = build_model("conv2d", dims=2, num_classes=5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_var, module.weight):
                nn.init.uniform_(tensor, 0.5, 2)  # type: ignore[arg-type]
            for tensor in (module.running_mean, module.bias):
                nn.init.normal_(tensor)  # type: ignore[arg-type]
    file = tmp_path_factory.mktemp("plain") / "resnet18.pth"
    torch.save(network.state_dict(), file)
    return file


def features(method: str, file: Path | str, dims: int = 2) -> nn.Module:
    return build_model(method, dims=dims, num_classes=0, init=file)


def cross_d(network: nn.Module) -> dict[str, CrossDConv2d]:
    named = network.named_modules()
    return {name: each for name, each in named if isinstance(each, CrossDConv2d)}


@pytest.mark.parametrize("training", [False, True])
def test_the_2d_network_is_the_plain_one(plain: Path, training: bool) -> None:
    x = torch.randn(4, 3, 64, 64)
    lifted = features("crossd-lifted", plain).train(training)
    with torch.no_grad():
        wanted = features("conv2d", plain).train(training)(x)
        found = lifted(x)
    assert len(cross_d(lifted)) == 20
    assert (found - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_gradients_reach_every_rotation_network(plain: Path) -> None:
    network = features("crossd-lifted", plain).train()
    angles: dict[str, Tensor] = {}
    for step in range(2):
        network.zero_grad()
        network(torch.randn(4, 3, 64, 64)).square().mean().backward()
        for name, layer in cross_d(network).items():
            if layer.kernel_size == (1, 1):  # which nothing turns
                continue
            last = layer.rotation_params[3]
            assert isinstance(last, nn.Conv2d)
            assert last.weight.grad is not None
            angle, axis = last.weight.grad[3], last.weight.grad[:3]
            assert angle.any(), name
            assert bool(axis.any()) == (step == 1), name  # the axis matters once there is an angle
            angles[name] = angle
            with torch.no_grad():
                last.weight -= 1e-3 * last.weight.grad
    assert len(angles) == 17


@pytest.mark.parametrize("size", [1, 3, 5, 7])
def test_kernel_lies_in_one_slice(size: int) -> None:
    conv = nn.Conv2d(4, 6, size, stride=2, padding=size // 2, groups=2).double().eval()
    layer = CrossDLifted().layer_2d(conv)
    assert isinstance(layer, CrossDConv2d)
    x = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    torch.testing.assert_close(layer(x), conv(x), rtol=0, atol=1e-12)
    filled = [index for index in range(size) if layer.weights_3d[:, :, index].any()]
    assert filled == [(size // 2 - 1) % size]
    assert layer.bias is conv.bias
    assert not layer.training


def test_even_kernels_are_refused() -> None:
    with pytest.raises(ConversionError, match="kernel_size 4 is even: its 2D kernels have no ex"):
        CrossDLifted().layer_2d(nn.Conv2d(3, 3, 4))
    with pytest.raises(ConversionError, match=r"kernel_size \(1, 7\) differs between the axes"):
        CrossDLifted().layer_2d(nn.Conv2d(3, 3, (1, 7)))


def test_the_demand_on_what_lifts_holds() -> None:
    (criterion,) = (each for each in criteria() if each.name == "lifted")
    check = judge(criterion, Target(load_method("crossd-lifted"), torch.device("cpu")))
    assert (check.status, check.refused) == ("pass", 0)
    assert check.cases >= 7


def test_weights_of_its_own_are_taken_as_well(tmp_path: Path) -> None:
    options = {"num_classes": 2, "backbone": "test_resnet"}
    for dims in (2, 3):
        trained = build_model("crossd-lifted", dims=dims, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter in trained.parameters():
                parameter.add_(0.1)
        torch.save(trained.state_dict(), tmp_path / "own.pth")
        loaded = build_model(
            "crossd-lifted",
            dims=dims,
            init=tmp_path / "own.pth",
            **options,  # type: ignore[arg-type]
        )
        for key, value in trained.state_dict().items():
            assert key.startswith("fc.") or torch.equal(loaded.state_dict()[key], value), key


def test_a_run_starts_from_plain_weights(plain: Path) -> None:
    method, run = load_method("crossd-lifted"), {"seed": 43, "fold": 0}
    init = find_init(str(plain), method, backbone="resnet18", statistics="imagenet", **run)
    assert init.source == plain
