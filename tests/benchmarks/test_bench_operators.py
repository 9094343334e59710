"""Cross-D Conv beside nn.Conv2d, layer by layer and as ResNet-18: run with --benchmark-only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from crossbench.nets.build import build_model
from crossbench_baselines import crossd_functional
from crossbench_baselines.crossd import CrossDConv2d

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

LAYERS = {"conv2d": nn.Conv2d, "crossd": CrossDConv2d}
SHAPES = {  # ResNet-18 at 224 pixels: in, out, kernel, stride, size of the input
    "stem": (3, 64, 7, 2, 224),
    "56": (64, 64, 3, 1, 56),
    "28": (128, 128, 3, 1, 28),
    "14": (256, 256, 3, 1, 14),
    "7": (512, 512, 3, 1, 7),
}


def batch(benchmark: BenchmarkFixture) -> int:
    """Samples: 8, or 2 where the suite only checks that this file runs."""
    return 2 if benchmark.disabled else 8


def forward(model: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """One inference pass."""
    model.eval()
    return torch.no_grad()(lambda: model(x))


def step(model: nn.Module, x: torch.Tensor) -> Callable[[], object]:
    """One pass forward and back."""
    model.train()
    return lambda: model(x).sum().backward()


@pytest.mark.parametrize("work", [forward, step])
@pytest.mark.parametrize("method", LAYERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_layer(
    benchmark: BenchmarkFixture, shape: str, method: str, work: Callable[..., Callable[[], object]]
) -> None:
    inputs, outputs, kernel, stride, size = SHAPES[shape]
    benchmark.group = f"layer {shape}, {work.__name__}"
    layer = LAYERS[method](inputs, outputs, kernel, stride=stride, padding=kernel // 2, bias=False)
    x = torch.randn(batch(benchmark), inputs, size, size, requires_grad=work is step)
    benchmark(work(layer, x))


@pytest.mark.parametrize("work", [forward, step])
@pytest.mark.parametrize("method", LAYERS)
@pytest.mark.parametrize("size", [64, 224])
def test_resnet18(
    benchmark: BenchmarkFixture, size: int, method: str, work: Callable[..., Callable[[], object]]
) -> None:
    benchmark.group = f"resnet18 at {size}, {work.__name__}"
    model = build_model(method, dims=2, num_classes=10)
    benchmark(work(model, torch.randn(batch(benchmark), 3, size, size)))


@pytest.mark.parametrize("work", [forward, step])
@pytest.mark.parametrize("side", ["kernel", "input", "divided"])
@pytest.mark.parametrize(
    ("channels", "size"), [(64, 8), (128, 16), (128, 28), (256, 14), (512, 7), (256, 4), (512, 2)]
)
def test_side(
    benchmark: BenchmarkFixture,
    channels: int,
    size: int,
    side: str,
    work: Callable[..., Callable[[], object]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the shift goes; what the rule of ``crossd_functional._side`` is measured by."""
    monkeypatch.setattr(crossd_functional, "_side", lambda *_: side)
    benchmark.group = f"side of {channels} at {size}, {work.__name__}"
    channels = 16 if benchmark.disabled else channels
    layer = CrossDConv2d(channels, channels, 3, padding=1)
    x = torch.randn(batch(benchmark), channels, size, size, requires_grad=work is step)
    benchmark(work(layer, x))
