"""Cross-D Conv under what training is made of: mixed precision, layouts, compilers, memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from crossbench_baselines import crossd_functional
from crossbench_baselines.crossd import CrossDConv2d
from crossbench_baselines.crossd_functional import shifted_kernels

SPACES = pytest.mark.parametrize("space", ["kernel", "input"])

pytestmark = pytest.mark.usefixtures("_seeded")


@pytest.fixture
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def _in_space(space: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crossd_functional, "_side", lambda *_: space)


def gradients(model: nn.Module, x: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    """Gradients of input and parameters, but for the bias before a BatchNorm: it is round-off."""
    x = x.detach().requires_grad_()
    named = {"x": x, **dict(model.named_parameters())}
    found = torch.autograd.grad(model(x), list(named.values()), upstream)
    return {
        name: gradient
        for name, gradient in zip(named, found, strict=True)
        if not name.endswith("rotation_params.0.bias")
    }


@SPACES
@pytest.mark.usefixtures("_in_space")
def test_gradients_under_autocast_are_those_of_float32(space: str) -> None:
    layer = CrossDConv2d(8, 16, 3, padding=1, bias=True).train()
    x, upstream = torch.randn(2, 8, 12, 12), torch.randn(2, 16, 12, 12)
    exact = gradients(copy.deepcopy(layer), x, upstream)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = gradients(layer, x, upstream.bfloat16())
    assert len(cast) == 8
    for name, gradient in cast.items():
        assert gradient.dtype == torch.float32, name
        error = (gradient - exact[name]).abs().max() / exact[name].abs().max()
        assert error <= 2e-2, f"{name}: {error:.1e}"


@pytest.mark.parametrize("space", ["kernel", "input", "divided"])
@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.usefixtures("_in_space")
def test_channels_last_changes_no_gradient(space: str, mode: str) -> None:
    layer = CrossDConv2d(4, 8, 3, stride=2, padding=1, groups=2).double().train(mode == "train")
    x, upstream = (
        torch.randn(shape, dtype=torch.float64) for shape in [(2, 4, 8, 8), (2, 8, 4, 4)]
    )
    wanted = gradients(layer, x, upstream)
    last = x.to(memory_format=torch.channels_last)
    got = gradients(layer, last, upstream.to(memory_format=torch.channels_last))
    assert last.stride() != x.stride()
    for name, gradient in got.items():
        torch.testing.assert_close(gradient, wanted[name], msg=name)


def test_compiled_gradients_without_graph_breaks() -> None:
    layer = CrossDConv2d(3, 4, 3, padding=1).train()
    compiled = torch.compile(copy.deepcopy(layer), fullgraph=True, backend="aot_eager")
    x, upstream = torch.randn(2, 3, 6, 6), torch.randn(2, 4, 6, 6)
    wanted = gradients(layer, x, upstream)
    x = x.requires_grad_()
    found = torch.autograd.grad(compiled(x), (x, compiled.weights_3d), upstream)
    torch.testing.assert_close(found, (wanted["x"], wanted["weights_3d"]))


class Sizes(TorchDispatchMode):
    """The largest tensor that any operation makes, forward and backward."""

    largest = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        assert not any(tensor.is_complex() for tensor in tensors), func
        self.largest = max([self.largest, *(tensor.numel() for tensor in tensors)])
        return out


@pytest.mark.parametrize("size", [3, 4, 7])
@SPACES
@pytest.mark.usefixtures("_in_space")
def test_a_train_step_holds_no_tensor_of_cubes_for_each_sample(size: int, space: str) -> None:
    """At most one 2D kernel a sample, or in input space K^3 numbers a pixel."""
    batch, outputs, inputs, side = 4, 48, 16, 2
    layer = CrossDConv2d(inputs, outputs, size, padding="same").train()
    x = torch.randn(batch, inputs, side, side)
    with Sizes() as sizes:
        layer(x).square().sum().backward()
    kernels, patches = outputs * inputs * size**2, inputs * size**3 * side**2
    assert sizes.largest == max(
        batch * (kernels if space == "kernel" else patches), layer.weights_3d.numel()
    )
    assert sizes.largest < batch * outputs * inputs * size**3


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


def test_channels_last_input() -> None:
    layer = CrossDConv2d(4, 8, 3, padding=1).eval()
    x = torch.randn(2, 4, 8, 8)
    torch.testing.assert_close(layer(x.to(memory_format=torch.channels_last)), layer(x))


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
