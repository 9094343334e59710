"""The kernel of a method from 2D to 3D, against what the methods of torch do to a ramp."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from crossbench.conformance import check
from crossbench.conformance.kernels import kernels
from crossbench.registry.methods import load_method

RAMP = np.arange(1, 10).reshape(3, 3) / 9
NOTHING = np.zeros((3, 3))


class Spread:
    """Every depth has its share of the kernel."""

    name, dims, share = "spread", (3,), (0.5, 0.25, 0.25)

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        return conv

    def layer_3d(self, layer: nn.Conv2d) -> nn.Module:
        conv = nn.Conv3d(layer.in_channels, layer.out_channels, 3, padding=1, bias=True)
        with torch.no_grad():
            planes = [share * layer.weight for share in self.share]
            conv.weight.copy_(torch.stack(planes, dim=2))
            conv.bias.fill_(3.0)
        return conv


def test_the_kernel_of_a_convolution_is_its_weights_whatever_its_bias() -> None:
    (found,) = kernels(Spread())
    assert found.channels == tuple(range(6))
    assert np.allclose(found.plane, RAMP, atol=1e-6)
    assert np.allclose(found.volume, [share * RAMP for share in Spread.share], atol=1e-6)


def test_outputs_with_other_kernels_are_told_apart() -> None:
    views = kernels(load_method("acs"))
    assert [each.channels for each in views] == [(0, 1), (2, 3), (4, 5)]
    assert np.allclose(views[0].volume, [NOTHING, RAMP, NOTHING], atol=1e-6)
    along = np.zeros((3, 3, 3))
    along[:, 1, :] = RAMP
    assert np.allclose(views[1].volume, along, atol=1e-6)


def test_what_has_no_3d_form_or_refuses_has_no_kernel() -> None:
    assert kernels(load_method("conv2d")) == ()
    assert kernels(load_method("slices-2d")) == ()


def test_the_measurement_leaves_random_numbers_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    first, again = kernels(load_method("crossd")), kernels(load_method("crossd"))
    assert torch.rand(1) == expected
    assert first == again


@pytest.mark.parametrize(("name", "count"), [("acs", 3), ("conv2d", 0)])
def test_a_report_has_it(name: str, count: int) -> None:
    assert len(check(name, only=["determinism"]).kernels) == count
