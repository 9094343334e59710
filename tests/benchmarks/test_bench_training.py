"""Steps on small volumes and passes of gray batches: by the harness, and by torch alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from crossbench.data.transforms import STATISTICS
from crossbench.data.transforms.batch import normalise
from crossbench.nets.build import build_model
from crossbench.training.convolutions import QuickConvolutions
from crossbench.training.fit import training_loss

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture


def plain_loss(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(model(inputs), labels)


WAYS = {"torch": plain_loss, "harness": training_loss}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [28, 48, 64])
@pytest.mark.parametrize("method", ["conv3d", "acs", "crossd"])
def test_step(benchmark: BenchmarkFixture, method: str, size: int, way: str) -> None:
    benchmark.group = f"training step of {method}, eight volumes of {size} a side"
    checked = benchmark.disabled  # the suite only checks that this file runs
    backbone = "test_resnet" if checked else "resnet18"
    model = build_model(method, dims=3, num_classes=2, backbone=backbone)
    batch, size = (2, 32) if checked else (8, size)
    inputs, labels = torch.randn(batch, 3, size, size, size), torch.arange(batch) % 2

    def step() -> None:
        WAYS[way](model, inputs, labels).backward()

    benchmark(step)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("method", ["conv3d", "acs"])
def test_pass_of_gray(benchmark: BenchmarkFixture, method: str, size: int, channels: int) -> None:
    benchmark.group = f"forward pass of {method}, gray volumes of {size} a side"
    checked = benchmark.disabled
    backbone = "test_resnet" if checked else "resnet18"
    model = build_model(method, dims=3, num_classes=2, backbone=backbone).eval()
    batch, size = (2, 32) if checked else (32 * 32**3 // size**3, size)
    gray = normalise(torch.rand(batch, 1, size, size, size), *STATISTICS["imagenet"])
    inputs = gray if channels == 1 else gray.clone()  # which nobody knows to be gray

    @torch.no_grad()
    def forward() -> torch.Tensor:
        with QuickConvolutions():
            output: torch.Tensor = model(inputs)
        return output

    assert benchmark(forward).shape == (batch, 2)
