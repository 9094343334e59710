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
