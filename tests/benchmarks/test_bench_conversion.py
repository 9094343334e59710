"""Making networks: the bare backbone, a method's 2D form, and its conversion to 3D."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from crossbench.nets.backbones import create_backbone
from crossbench.nets.build import build_model

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

FORMS = [("conv2d", 2), ("crossd", 2), ("conv3d", 3), ("acs", 3), ("crossd", 3)]


def backbone(benchmark: BenchmarkFixture) -> str:
    """ResNet-18, or a small one where the suite only checks that this file runs."""
    return "test_resnet" if benchmark.disabled else "resnet18"


def test_bare_backbone(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "building a network"
    benchmark(create_backbone, backbone(benchmark), 10)


@pytest.mark.parametrize(("method", "dims"), FORMS)
def test_network(benchmark: BenchmarkFixture, method: str, dims: int) -> None:
    benchmark.group = "building a network"
    benchmark(build_model, method, dims=dims, num_classes=10, backbone=backbone(benchmark))
