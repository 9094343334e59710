"""The ablations of Cross-D Conv: no predicted shift, and the aligned 3D transfer."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench.nets.build import build_model
from crossbench.registry.entries import method_entries
from crossbench.registry.methods import load_method
from crossbench_baselines.crossd import CrossD, CrossDConv2d
from crossbench_baselines.crossd_aligned import CrossDAligned
from crossbench_baselines.crossd_fixed import CrossDFixed, CrossDFixedConv2d

GEOMETRIES = [
    {"kernel_size": 3, "padding": 1},
    {"kernel_size": 1, "stride": 2},
    {"kernel_size": 7, "stride": 2, "padding": 3},
    {"kernel_size": 4, "padding": "same", "dilation": 2},
    {"kernel_size": 3, "padding": (1, 2), "padding_mode": "reflect", "groups": 2},
    {"kernel_size": 4, "padding": "same", "padding_mode": "circular", "bias": True},
]

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded() -> None:
    torch.manual_seed(0)


def without_angle(layer: CrossDConv2d) -> CrossDConv2d:
    """The layer with a rotation network that predicts the angle 0."""
    last = layer.rotation_params[3]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    return layer


@pytest.mark.parametrize("name", ["crossd-fixed", "crossd-aligned"])
def test_is_registered(name: str) -> None:
    assert name in method_entries()
    assert load_method(name).name == name


# ------------------------------------------------------------------------------- crossd-fixed


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_fixed_is_crossd_at_angle_0(geometry: dict[str, Any]) -> None:
    fixed = CrossDFixedConv2d(4, 6, **geometry).double()
    twin = CrossDConv2d(4, 6, **geometry).double()
    twin.load_state_dict(fixed.state_dict())
    if fixed.bias is not None and twin.bias is not None:
        fixed.bias.data.normal_()
        twin.bias.data.copy_(fixed.bias)
    x = torch.randn(3, 4, 9, 10, dtype=torch.float64, requires_grad=True)
    y, wanted = fixed(x), without_angle(twin)(x)
    torch.testing.assert_close(y, wanted)
    upstream = torch.randn_like(y)
    (grad_x, grad_u) = torch.autograd.grad(y, (x, fixed.weights_3d), upstream)
    (wanted_x, wanted_u) = torch.autograd.grad(wanted, (x, twin.weights_3d), upstream)
    torch.testing.assert_close(grad_x, wanted_x)
    torch.testing.assert_close(grad_u, wanted_u)


def test_fixed_learns_through_one_slice_and_predicts_nothing() -> None:
    layer = CrossDFixedConv2d(3, 4, 3, padding=1).train()
    before = copy.deepcopy(layer.rotation_params.state_dict())
    layer(torch.randn(2, 3, 6, 6)).square().sum().backward()
    assert [name for name, _ in layer.named_parameters()] == ["weights_3d"]
    assert layer.weights_3d.grad is not None
    assert [bool(part.any()) for part in layer.weights_3d.grad.unbind(2)] == [True, False, False]
    for name, tensor in layer.rotation_params.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_fixed_predicts_no_axis_and_no_angle() -> None:
    axis, angle = CrossDFixedConv2d(3, 4, 3).axis_angle(torch.randn(2, 3, 6, 6))
    assert (axis.shape, angle.shape) == ((2, 3), (2, 1))
    assert not axis.any()
    assert not angle.any()


def test_fixed_keeps_geometry_bias_dtype_and_mode() -> None:
    conv = nn.Conv2d(4, 6, 3, (2, 1), (1, 2), 2, 2, padding_mode="reflect").double().eval()
    layer = CrossDFixed().layer_2d(conv)
    assert isinstance(layer, CrossDFixedConv2d)
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
        assert getattr(layer, name) == getattr(conv, name)
    assert layer.bias is conv.bias
    assert layer.weights_3d.dtype == torch.float64
    assert not layer.training


def test_fixed_refuses_what_crossd_refuses() -> None:
    with pytest.raises(ConversionError, match=r"kernel_size \(1, 7\) differs between the axes"):
        CrossDFixed().layer_2d(nn.Conv2d(3, 3, (1, 7)))
    with pytest.raises(ConversionError, match="Conv2d is no CrossDConv2d"):
        CrossDFixed().layer_3d(nn.Conv2d(3, 3, 3))


def test_fixed_costs_no_parameter_of_a_rotation_network() -> None:
    def count(method: str) -> int:
        model = build_model(method, dims=2, num_classes=2, backbone="test_resnet")
        return sum(parameter.numel() for parameter in model.parameters())

    model = build_model("crossd", dims=2, num_classes=2, backbone="test_resnet")
    rotation = sum(p.numel() for name, p in model.named_parameters() if "rotation_params" in name)
    assert count("crossd-fixed") == count("crossd") - rotation < count("crossd")


def test_network_of_fixed_trains() -> None:
    model = build_model("crossd-fixed", dims=2, num_classes=2, backbone="test_resnet")
    model(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", ["crossd-fixed", "crossd-aligned"])
def test_checkpoint_of_crossd_is_carried_into_3d(name: str, tmp_path: Any) -> None:
    options: dict[str, Any] = {"num_classes": 2, "backbone": "test_resnet"}
    trained = build_model("crossd", dims=2, **options)
    file = tmp_path / "crossd.safetensors"
    safetensors.torch.save_file(trained.state_dict(), file)
    model = build_model(name, dims=3, init=file, **options)
    kernels = {
        key.removesuffix("weights_3d"): value
        for key, value in trained.state_dict().items()
        if key.endswith("weights_3d")
    }
    assert len(kernels) > 5
    for key, kernel in kernels.items():
        wanted = kernel.roll((1, 1, 1), (2, 3, 4)) if name == "crossd-aligned" else kernel
        assert torch.equal(model.state_dict()[f"{key}weight"], wanted), key
    assert model(torch.randn(2, 3, 32, 32, 32)).shape == (2, 2)


def test_checkpoint_of_fixed_fits_crossd(tmp_path: Any) -> None:
    options: dict[str, Any] = {"dims": 2, "num_classes": 2, "backbone": "test_resnet"}
    trained = build_model("crossd-fixed", **options)
    file = tmp_path / "fixed.safetensors"
    safetensors.torch.save_file(trained.state_dict(), file)
    state = build_model("crossd", init=file, **options).state_dict()
    kernels = {key: value for key, value in trained.state_dict().items() if "weights_3d" in key}
    assert kernels
    assert all(torch.equal(state[key], value) for key, value in kernels.items())


# ----------------------------------------------------------------------------- crossd-aligned


def middle_slice(conv: nn.Module, x: Tensor, layer: CrossDConv2d) -> Tensor:
    """What the middle slice of a 3D kernel, as a 2D kernel, makes of an image."""
    kernel = conv.get_parameter("weight")
    kernel = kernel[:, :, kernel.shape[2] // 2]
    geometry = (layer.stride, layer.padding, layer.dilation, layer.groups)
    return functional.conv2d(x, kernel, layer.bias, *geometry)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "geometry", [each for each in GEOMETRIES if "padding_mode" not in each], ids=str
)
def test_aligned_kernels_have_the_trained_ones_in_their_middle(geometry: dict[str, Any]) -> None:
    layer = without_angle(CrossDConv2d(4, 6, **geometry).double())
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    wanted = layer(x)
    torch.testing.assert_close(middle_slice(CrossDAligned().layer_3d(layer), x, layer), wanted)
    if layer.kernel_size != (1, 1):
        off = middle_slice(CrossD().layer_3d(layer), x, layer)
        assert (off - wanted).abs().max() > 0.1 * wanted.abs().max()


@pytest.mark.parametrize("size", [1, 3, 7])
def test_aligned_volume_answers_a_single_slice_as_the_image(size: int) -> None:
    layer = without_angle(CrossDConv2d(2, 3, size, padding=size // 2).double())
    image = torch.randn(1, 2, 8, 8, dtype=torch.float64)
    volume = torch.zeros(1, 2, 8, 8, 8, dtype=torch.float64)
    volume[:, :, 5] = image
    aligned = CrossDAligned().layer_3d(layer)
    torch.testing.assert_close(aligned(volume)[:, :, 5], layer(image))
    if size > 1:  # as the paper transfers them, the answer is neither here nor in a neighbour
        answers = CrossD().layer_3d(layer)(volume)[0].movedim(1, 0)
        assert all((each - layer(image)[0]).abs().max() > 0.1 for each in answers)


@pytest.mark.parametrize("trains", [False, True])
def test_aligned_carries_geometry_bias_mode_and_whether_it_trains(trains: bool) -> None:
    layer = CrossDConv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=True).eval()
    layer.weights_3d.requires_grad_(trains)
    kernel = layer.weights_3d.detach().clone()
    conv = CrossDAligned().layer_3d(layer)
    assert isinstance(conv, nn.Conv3d)
    assert (conv.stride, conv.padding, conv.groups) == ((2, 2, 2), (1, 1, 1), 2)
    assert conv.bias is layer.bias
    assert conv.weight.requires_grad is trains
    assert not conv.training
    assert torch.equal(layer.weights_3d, kernel)


def test_aligned_trains_as_crossd_and_is_evaluated_in_3d() -> None:
    layer = CrossDAligned().layer_2d(nn.Conv2d(3, 4, 3, padding=1))
    assert type(layer) is CrossDConv2d
    layer(torch.randn(2, 3, 6, 6)).square().sum().backward()
    assert layer.weights_3d.grad is not None
    assert CrossDAligned.dims == (3,)


def test_aligned_refuses_what_crossd_refuses() -> None:
    with pytest.raises(ConversionError, match="Conv2d is no CrossDConv2d"):
        CrossDAligned().layer_3d(nn.Conv2d(3, 3, 3))
