"""Counted cost: against sums done by hand, and without a trace left on the model."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from crossbench.nets.build import build_model
from crossbench.nets.cost import count_multiply_adds, multiply_adds


def test_a_convolution_costs_outputs_times_inputs_times_kernel() -> None:
    conv = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
    assert multiply_adds(conv, (4, 9, 11)) == 6 * (4 // 2) * 3 * 3 * 5 * 6


def test_a_volume_costs_its_depth() -> None:
    assert multiply_adds(nn.Conv3d(2, 3, 3, padding=1), (2, 4, 5, 6)) == 3 * 2 * 27 * 4 * 5 * 6


def test_resnet18_has_the_published_cost() -> None:
    model = build_model("conv2d", dims=2, num_classes=1000)
    assert multiply_adds(model, (3, 224, 224)) == pytest.approx(1.814e9, rel=1e-3)


def test_a_network_without_parameters_costs_nothing() -> None:
    assert multiply_adds(nn.Flatten(), (2, 4, 4)) == 0


def test_modes_and_statistics_stay() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)).train()
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert multiply_adds(model, (2, 4, 4)) == 2 * 3 * 16
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_modes_are_restored_after_a_failure() -> None:
    model = nn.Conv2d(2, 3, 1).train()
    with pytest.raises(RuntimeError, match="channels"):
        multiply_adds(model, (5, 4, 4))
    assert model.training


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("conv", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_backward_pass_counts_twice_a_forward_pass_in_any_groups(
    conv: type[nn.Conv2d], groups: int
) -> None:
    layer = conv(8, 16, 3, padding=1, groups=groups, bias=False)
    sample = torch.randn(2, 8, 5, 6, requires_grad=True)
    forward = 2 * (16 * 8 // groups) * 9 * 5 * 6
    assert count_multiply_adds(lambda: layer(sample)) == forward
    assert count_multiply_adds(lambda: layer(sample).sum().backward()) == 3 * forward
    layer.requires_grad_(requires_grad=False)
    assert count_multiply_adds(lambda: layer(sample).sum().backward()) == 2 * forward
