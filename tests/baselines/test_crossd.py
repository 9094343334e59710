"""Cross-D Conv against the reference operator's stored outputs and gradients, and nn.Conv2d."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from crossbench.errors import ConversionError
from crossbench_baselines import crossd_functional
from crossbench_baselines.crossd import CrossD, CrossDConv2d
from crossbench_baselines.crossd_functional import axis_shifts, shifted_kernels

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("crossd_*.npz"))
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


GEOMETRIES = [
    {"kernel_size": 3, "padding": 2, "dilation": 2},
    {"kernel_size": 3, "stride": (2, 1), "padding": (0, 2)},
    {"kernel_size": 5, "padding": "same", "dilation": 2},
    {"kernel_size": 3, "padding": "valid", "groups": 2},
    {"kernel_size": 3, "padding": (1, 2), "padding_mode": "reflect"},
    {"kernel_size": 4, "padding": "same", "padding_mode": "circular"},
    {"kernel_size": 3, "padding": "valid", "padding_mode": "replicate"},
    {"kernel_size": 1, "stride": 2, "padding": 1, "padding_mode": "circular"},
    {"kernel_size": 5, "stride": 2, "padding": 2, "groups": 4},
]

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded() -> None:
    torch.manual_seed(0)


def read(file: Path, dtype: torch.dtype) -> tuple[CrossDConv2d, dict[str, Tensor]]:
    """The layer that a golden file describes, and the file's arrays."""
    with np.load(file, allow_pickle=False) as stored:
        arrays = {name: torch.from_numpy(stored[name]) for name in stored}
    state = {
        name.removeprefix("state."): value
        for name, value in arrays.items()
        if name.startswith("state.")
    }
    outputs, inputs, size = state["weights_3d"].shape[:3]
    groups = int(arrays["groups"])
    layer = CrossDConv2d(
        inputs * groups,
        outputs,
        size,
        stride=int(arrays["stride"]),
        padding=int(arrays["padding"]),
        groups=groups,
    ).to(dtype)
    layer.load_state_dict(state)
    return layer.train("training" in arrays), arrays


def assert_close(name: str, got: Tensor | None, wanted: Tensor, tolerance: float) -> None:
    """Equal within ``tolerance`` of the wanted array's maximum."""
    got = torch.zeros_like(wanted) if got is None else got.detach().double()
    error, scale = (got - wanted).abs().max().item(), wanted.abs().max().item()
    assert error <= tolerance * scale, f"{name}: off by {error:.2e} of {scale:.2e}"


@pytest.mark.parametrize("space", ["kernel", "input", "divided"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_equals_the_reference(
    file: Path, dtype: torch.dtype, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossd_functional, "_side", lambda *_: space)
    layer, stored = read(file, dtype)
    if space == "divided" and layer.kernel_size[0] % 2 == 0:
        pytest.skip("an even kernel's shift cannot be divided")
    tolerance = TOLERANCE[dtype]
    x = stored["x"].to(dtype).requires_grad_()
    if "axis" in stored:
        axis, angle = layer.axis_angle(x)
        assert_close("axis", axis, stored["axis"], tolerance)
        assert_close("angle", angle, stored["angle"], tolerance)

    y = layer(x)
    y.backward(stored["grad_y"].to(dtype))

    assert_close("y", y, stored["y"], tolerance)
    assert_close("grad_x", x.grad, stored["grad_x"], tolerance)
    for name, parameter in layer.named_parameters():
        # A bias before BatchNorm has no effect in training: its gradient is round-off.
        if not (layer.training and name == "rotation_params.0.bias"):
            assert_close(name, parameter.grad, stored[f"grad.{name}"], tolerance)
    for name, buffer in layer.named_buffers():
        if f"after.{name}" in stored:
            assert_close(name, buffer, stored[f"after.{name}"], tolerance)


@pytest.mark.parametrize("shape", [(4, 3, 21, 18), (4, 24, 9, 9), (1, 3, 8, 8)])
def test_without_gradients_it_computes_the_same(shape: tuple[int, ...]) -> None:
    """Samples of few channels go one by one there, and as groups where gradients are wanted."""
    layer = CrossDConv2d(shape[1], 8, 7, stride=2, padding=3, bias=True).double().eval()
    x = torch.randn(shape, dtype=torch.float64)
    with torch.no_grad():
        found = layer(x)
    with torch.inference_mode():
        assert torch.equal(layer(x), found)
    assert_close("y", layer(x), found, 1e-13)


def test_every_golden_file_is_there() -> None:
    assert len(GOLDEN) == 7


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("outputs", [8, 80, 2000], ids=["kernel", "divided", "input"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_geometry_and_bias_are_those_of_conv2d(
    geometry: dict[str, Any], outputs: int, bias: bool
) -> None:
    layer = CrossDConv2d(4, outputs, **geometry, bias=bias).double()
    conv = nn.Conv2d(4, outputs, **geometry, bias=bias).double()
    if layer.bias is not None:
        nn.init.normal_(layer.bias)
        conv.bias = layer.bias
    x = torch.randn(2, 4, 9, 10, dtype=torch.float64)
    kernels = shifted_kernels(layer.weights_3d, axis_shifts(*layer.eval().axis_angle(x)))
    wanted = []
    for sample, kernel in zip(x, kernels, strict=True):
        conv.weight = nn.Parameter(kernel)
        wanted.append(conv(sample[None]))
    torch.testing.assert_close(layer(x), torch.cat(wanted))


def test_non_square_kernel_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"kernel_size \(=\(3, 5\)\) must be square"):
        CrossDConv2d(4, 4, (3, 5))


def test_arguments_are_checked_as_conv2d_checks_them() -> None:
    with pytest.raises(ValueError, match="in_channels must be divisible by groups"):
        CrossDConv2d(4, 4, 3, groups=3)
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        CrossDConv2d(4, 4, 3, padding_mode="mirror")  # type: ignore[arg-type]


def test_kernel_is_drawn_kaiming_normal_fan_out() -> None:
    layer = CrossDConv2d(32, 64, 3, bias=True)
    wanted = (2 / (64 * 27)) ** 0.5
    assert layer.weights_3d.std().item() == pytest.approx(wanted, rel=0.02)
    assert layer.bias is not None
    assert not layer.bias.any()


def test_gradients_through_the_rotation_network() -> None:
    layer = CrossDConv2d(2, 2, 3, padding=1).double().train()
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def forward(x: Tensor, *parameters: Tensor) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    assert torch.autograd.gradcheck(forward, (x, *layer.parameters()), fast_mode=True)


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("zero", ["axis", "axis and angle", "input"])
def test_gradients_are_finite_where_nothing_is_predicted(zero: str, mode: str) -> None:
    layer = CrossDConv2d(3, 4, 3, padding=1).train(mode == "train")
    last = layer.rotation_params[3]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    if zero.startswith("axis"):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    if zero == "axis":
        last.bias.data[3] = 1.0
    x = torch.randn(2, 3, 6, 6) * (zero != "input")
    x.requires_grad_()
    layer(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_1x1_kernel_is_a_plain_convolution() -> None:
    layer = CrossDConv2d(3, 4, 1, stride=2)
    x = torch.randn(2, 3, 6, 6)
    wanted = functional.conv2d(x, layer.weights_3d[:, :, 0], stride=2)
    before = copy.deepcopy(layer.rotation_params)

    torch.testing.assert_close(layer.eval()(x), wanted, rtol=0, atol=0)
    assert torch.equal(before[1].running_mean, layer.rotation_params[1].running_mean)

    y = layer.train()(x)
    y.square().sum().backward()
    torch.testing.assert_close(y, wanted, rtol=0, atol=0)
    assert not torch.equal(before[1].running_mean, layer.rotation_params[1].running_mean)
    for name, parameter in layer.rotation_params.named_parameters():
        assert parameter.grad is not None, name
        assert not parameter.grad.any(), name


def test_layer_2d_keeps_geometry_bias_dtype_and_mode() -> None:
    conv = nn.Conv2d(4, 6, 3, (2, 1), (1, 2), 2, 2, padding_mode="reflect").double().eval()
    layer = CrossD().layer_2d(conv)
    assert isinstance(layer, CrossDConv2d)
    for name in ("kernel_size", "stride", "padding", "dilation", "groups", "padding_mode"):
        assert getattr(layer, name) == getattr(conv, name)
    assert layer.bias is conv.bias
    assert layer.weights_3d.dtype == torch.float64
    assert not layer.training
    x = torch.randn(2, 4, 9, 9, dtype=torch.float64)
    assert layer(x).shape == conv(x).shape


def test_layer_2d_refuses_what_it_cannot_replace() -> None:
    class Other(nn.Conv2d):
        pass

    with pytest.raises(ConversionError, match=r"kernel_size \(1, 7\) differs between the axes"):
        CrossD().layer_2d(nn.Conv2d(3, 3, (1, 7)))
    with pytest.raises(ConversionError, match="Other is no plain Conv2d"):
        CrossD().layer_2d(Other(3, 3, 3))


@pytest.mark.parametrize("bias", [False, True])
def test_layer_3d_is_conv3d_with_the_3d_kernel(bias: bool) -> None:
    layer = CrossDConv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=bias).eval()
    layer.weights_3d.requires_grad_(False)
    conv = CrossD().layer_3d(layer)
    assert isinstance(conv, nn.Conv3d)
    assert torch.equal(conv.weight, layer.weights_3d)
    assert not conv.weight.requires_grad
    assert not conv.training
    assert conv.bias is layer.bias
    x = torch.randn(1, 4, 6, 6, 6)
    wanted = functional.conv3d(x, layer.weights_3d, layer.bias, 2, 1, 1, 2)
    torch.testing.assert_close(conv(x), wanted)


def test_layer_3d_refuses_what_is_not_its_own() -> None:
    with pytest.raises(ConversionError, match="Conv2d is no CrossDConv2d"):
        CrossD().layer_3d(nn.Conv2d(3, 3, 3))
    with pytest.raises(ConversionError, match=r"stride \(1, 2\) differs between the axes"):
        CrossD().layer_3d(CrossDConv2d(3, 3, 3, stride=(1, 2)))
