"""Cross-D Conv against the reference operator's stored outputs and gradients, and nn.Conv2d."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from crossbench.errors import ConversionError
from crossbench_baselines import crossd_functional
from crossbench_baselines.crossd import CrossD, CrossDConv2d
from crossbench_baselines.crossd_divided import Geometry
from crossbench_baselines.crossd_functional import axis_shifts, cross_d_conv2d, shifted_kernels

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("crossd_*.npz"))
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded() -> None:
    torch.manual_seed(0)


# ------------------------------------------------------------------ the reference operator


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


def fourier_kernels(weights: Tensor, axis: Tensor, angle: Tensor) -> Tensor:
    """The paper's equations as they are written, for one sample, in complex arithmetic."""
    size = weights.shape[-1]
    kx, ky, kz = axis.tolist()
    zero = 0.0
    skew = torch.tensor([[zero, -kz, ky], [kz, zero, -kx], [-ky, kx, zero]], dtype=weights.dtype)
    rotation = torch.eye(3, dtype=weights.dtype) + angle * skew
    one = torch.fft.fftfreq(size, dtype=weights.dtype)
    grid = torch.stack(torch.meshgrid(one, one, one, indexing="ij")).flatten(1)
    phase = (rotation @ grid).sum(0).reshape(size, size, size)
    spectrum = torch.fft.fftn(weights, dim=(-3, -2, -1))
    turned = torch.fft.ifftn(spectrum * torch.exp(-2j * torch.pi * phase), dim=(-3, -2, -1))
    return turned.real[:, :, size // 2]


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, 7), seed=st.integers(0, 2**32 - 1))
def test_kernels_equal_the_equations(size: int, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    weights = torch.randn(2, 3, size, size, size, generator=random, dtype=torch.float64)
    axis = torch.randn(4, 3, generator=random, dtype=torch.float64)
    angle = torch.randn(4, 1, generator=random, dtype=torch.float64)
    kernels = shifted_kernels(weights, axis_shifts(axis, angle))
    wanted = torch.stack(
        [fourier_kernels(weights, k, theta) for k, theta in zip(axis, angle, strict=True)]
    )
    torch.testing.assert_close(kernels, wanted, rtol=0, atol=1e-12)


# ------------------------------------------------------------- what the equations amount to


@pytest.mark.parametrize("size", [1, 3, 4, 7])
def test_no_rotation_is_a_shift_by_one_voxel(size: int) -> None:
    weights = torch.randn(2, 3, size, size, size, dtype=torch.float64)
    kernels = shifted_kernels(weights, torch.ones(1, 3, dtype=torch.float64))
    wanted = weights.roll((1, 1, 1), dims=(2, 3, 4))[:, :, size // 2]
    torch.testing.assert_close(kernels[0], wanted)


def test_shifts_sum_to_three_and_the_diagonal_axis_has_no_effect() -> None:
    axis, angle = torch.randn(5, 3), torch.randn(5, 1)
    torch.testing.assert_close(axis_shifts(axis, angle).sum(1), torch.full((5,), 3.0))
    diagonal = torch.full((5, 3), 3**-0.5)
    torch.testing.assert_close(axis_shifts(diagonal, angle), torch.ones(5, 3))


# ---------------------------------------------------------------------------- nn.Conv2d's ways

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


def test_channels_last_input() -> None:
    layer = CrossDConv2d(4, 8, 3, padding=1).eval()
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


# -------------------------------------------------------------------------------- gradients


@pytest.mark.parametrize("space", ["kernel", "input"])
@pytest.mark.parametrize("size", [2, 3])
def test_gradients_of_the_functional_form(
    size: int, space: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossd_functional, "_side", lambda *_: space)
    x = torch.randn(2, 2, 5, 5, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 1, size, size, size, dtype=torch.float64, requires_grad=True)
    shifts = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(2, dtype=torch.float64, requires_grad=True)
    inputs = (x, weights, shifts, bias)
    assert torch.autograd.gradcheck(
        lambda *t: cross_d_conv2d(*t, 1, 1, 1, 2), inputs, fast_mode=True
    )


def test_gradients_through_the_rotation_network() -> None:
    layer = CrossDConv2d(2, 2, 3, padding=1).double().train()
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    names = [name for name, _ in layer.named_parameters()]

    def forward(x: Tensor, *parameters: Tensor) -> Any:
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), x)

    assert torch.autograd.gradcheck(forward, (x, *layer.parameters()), fast_mode=True)


def test_second_gradients_of_the_functional_form() -> None:
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 1, 2, 2, 2, dtype=torch.float64, requires_grad=True)
    shifts = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def forward(*given: Tensor) -> Tensor:
        return cross_d_conv2d(*given, None, 1, 1, 1, 2, keep_kernels=False)

    assert torch.autograd.gradgradcheck(forward, (x, weights, shifts), fast_mode=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_kernels_made_anew_give_the_gradients_of_kernels_kept(dtype: torch.dtype) -> None:
    x = torch.randn(3, 4, 6, 6)
    given = (x, torch.randn(8, 2, 3, 3, 3), torch.randn(3, 3), torch.randn(8))
    inputs = [tensor.requires_grad_() for tensor in given]

    def gradients(keep_kernels: bool) -> tuple[Tensor, ...]:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            y = cross_d_conv2d(*inputs, 1, 1, 1, 2, keep_kernels=keep_kernels)
        assert y.dtype == dtype
        return torch.autograd.grad(y.float().square().sum(), inputs)

    torch.testing.assert_close(gradients(False), gradients(True), rtol=0, atol=0)


@pytest.mark.parametrize("space", ["kernel", "divided"])
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_only_kernels_in_eval_mode_are_kept(
    space: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernels of a sample are 16 x 8 x 9 numbers, its input 8 x 36."""
    monkeypatch.setattr(crossd_functional, "_side", lambda *_: space)
    layer = CrossDConv2d(8, 16, 3, padding=1).train(mode == "train")
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        layer(torch.randn(64, 8, 6, 6))
    kept = 16 * 8 * 9 if (space, mode) == ("kernel", "eval") else 16 * 36
    assert max(size for size in sizes if size != layer.weights_3d.numel()) <= 64 * kept


def test_functional_transforms_in_eval_mode() -> None:
    layer = CrossDConv2d(3, 4, 3, padding=1).eval()
    x = torch.randn(2, 3, 6, 6)

    def loss(parameters: dict[str, Tensor]) -> Tensor:
        return torch.func.functional_call(layer, parameters, x).square().sum()

    gradients = torch.func.grad(loss)(dict(layer.named_parameters()))
    layer(x).square().sum().backward()
    wanted = {name: parameter.grad for name, parameter in layer.named_parameters()}
    torch.testing.assert_close(gradients, wanted)


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


# --------------------------------------------------------------------------- precision, tools


@pytest.mark.parametrize("outputs", [8, 512], ids=["kernel space", "input space"])
def test_autocast_predicts_and_shifts_in_float32(outputs: int) -> None:
    layer = CrossDConv2d(8, outputs, 3, padding=1, bias=True).eval()
    x, shifts = torch.randn(2, 8, 12, 12), torch.rand(2, 3)
    exact = layer(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        axis, angle = layer.axis_angle(x)
        kernels = shifted_kernels(layer.weights_3d, shifts)
        cast = layer(x)
    torch.testing.assert_close((axis, angle), layer.axis_angle(x), rtol=0, atol=0)
    torch.testing.assert_close(kernels, shifted_kernels(layer.weights_3d, shifts), rtol=0, atol=0)
    assert cast.dtype == torch.bfloat16
    assert (cast - exact).abs().max() <= 4e-3 * exact.abs().max()


@pytest.mark.parametrize("outputs", [8, 512], ids=["kernel space", "input space"])
def test_bfloat16_layer(outputs: int) -> None:
    layer = CrossDConv2d(8, outputs, 3, padding=1).eval()
    x = torch.randn(2, 8, 12, 12)
    exact, y = layer(x), layer.bfloat16()(x.bfloat16())
    assert y.dtype == torch.bfloat16
    assert (y - exact).abs().max() <= 2e-2 * exact.abs().max()


def test_state_dict_and_deep_copy_carry_everything() -> None:
    layer = CrossDConv2d(3, 4, 3, padding=1, bias=True)
    x = torch.randn(2, 3, 6, 6)
    with torch.inference_mode():
        layer(x)  # leaves nothing behind that training could stumble over
    twin = CrossDConv2d(3, 4, 3, padding=1, bias=True)
    twin.load_state_dict(layer.state_dict())
    wanted = layer.eval()(x)
    torch.testing.assert_close(twin.eval()(x), wanted, rtol=0, atol=0)
    torch.testing.assert_close(copy.deepcopy(layer)(x), wanted, rtol=0, atol=0)
    layer.train()(x).sum().backward()


def network() -> nn.Module:
    """Two layers: one in kernel space; one in input space, with an even kernel."""
    return nn.Sequential(
        CrossDConv2d(3, 4, 3, padding=1), CrossDConv2d(4, 32, 4, 4, groups=2, bias=True)
    )


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_compiles_without_graph_breaks(mode: str) -> None:
    model = network().train(mode == "train")
    twin = copy.deepcopy(model)
    compiled = torch.compile(twin, fullgraph=True, backend="eager")
    x = torch.randn(2, 3, 8, 8)
    y, wanted = compiled(x), model(x)
    torch.testing.assert_close(y, wanted)
    y.square().sum().backward()
    wanted.square().sum().backward()
    for parameter, other in zip(twin.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-4, atol=1e-4)


def test_exports() -> None:
    model = network().eval()
    x = torch.randn(2, 3, 8, 8)
    exported = torch.export.export(model, (x,)).module()
    torch.testing.assert_close(exported(x), model(x))


def test_forward_holds_no_complex_and_no_six_axis_tensor() -> None:
    seen: list[tuple[torch.dtype, int]] = []
    batch, outputs, inputs, size = 5, 16, 8, 3

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            out = func(*args, **(kwargs or {}))
            tensors = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
            seen.extend((tensor.dtype, tensor.numel()) for tensor in tensors)
            return out

    layer = CrossDConv2d(inputs, outputs, size, padding=1)
    with Watch():
        layer(torch.randn(batch, inputs, 6, 6)).sum().backward()
    assert len(seen) > 50
    assert not any(dtype.is_complex for dtype, _ in seen)
    assert max(numel for _, numel in seen) < batch * outputs * inputs * size**3


@pytest.mark.parametrize(
    ("batch", "outputs", "inputs", "side", "space"),
    [  # of ResNet-18's 3x3 layers at 224 pixels, then at 64, 128, 32 and 28, and one sample
        (8, 64, 64, 56, "kernel"),
        (8, 128, 128, 28, "kernel"),
        (8, 256, 256, 14, "divided"),
        (8, 512, 512, 7, "divided"),
        (8, 128, 128, 8, "divided"),
        (8, 128, 128, 16, "kernel"),
        (8, 64, 64, 8, "kernel"),
        (8, 64, 64, 7, "divided"),
        (8, 256, 256, 4, "input"),
        (8, 512, 512, 2, "input"),
        (1, 512, 512, 7, "input"),
    ],
)
def test_where_the_shift_goes(batch: int, outputs: int, inputs: int, side: int, space: str) -> None:
    x, weights = torch.empty(batch, inputs, side, side), torch.empty(outputs, inputs, 3, 3, 3)
    geometry = Geometry((1, 1), (1, 1), (1, 1), 1, (side, side))
    assert crossd_functional._side(x, weights, geometry) == space


def test_a_shift_is_divided_in_full_precision_and_for_odd_kernels_alone() -> None:
    geometry = Geometry((1, 1), (1, 1), (1, 1), 1, (14, 14))
    x, weights = torch.empty(8, 256, 14, 14), torch.empty(256, 256, 3, 3, 3)
    side = crossd_functional._side
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert side(x, weights, geometry) == "kernel"
    assert side(x.bfloat16(), weights.bfloat16(), geometry) == "kernel"
    assert side(x.double(), weights.double(), geometry) == "divided"
    assert side(x, torch.empty(256, 256, 4, 4, 4), geometry) == "kernel"


# ------------------------------------------------------------------------------- the method


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


def test_rolled_kernel_is_the_transfer_without_the_voxel_off() -> None:
    """Without rotation, and on volumes constant in depth, roll(U) summed in depth is W + rest."""
    weights = torch.randn(2, 2, 3, 3, 3, dtype=torch.float64)
    kernel = shifted_kernels(weights, torch.ones(1, 3, dtype=torch.float64))[0]
    rolled = weights.roll((1, 1, 1), dims=(2, 3, 4))
    flat = torch.randn(1, 2, 1, 6, 6, dtype=torch.float64)
    slab = functional.conv3d(flat, rolled, padding=1)
    torch.testing.assert_close(slab[:, :, 0], functional.conv2d(flat[:, :, 0], kernel, padding=1))
    others = itertools.product(range(-1, 2), repeat=3)
    assert not any(
        torch.allclose(weights.roll(shift, dims=(2, 3, 4)), rolled)
        for shift in others
        if shift != (1, 1, 1)
    )
