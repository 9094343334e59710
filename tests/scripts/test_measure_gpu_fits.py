"""The fit beside a plain loop, tiny and on the CPU."""

from __future__ import annotations

import pytest
import torch
from measure_gpu_fits import compare, fits
from torch import nn


def test_both_ways_learn_the_same() -> None:
    (row,) = fits(torch.device("cpu"), tiny=True)
    assert row["method"] == "conv3d"
    by_crossbench, by_loop = map(float, row["losses"].split())
    assert by_crossbench == pytest.approx(by_loop, rel=1e-3)
    assert float(row["ratio (range)"].split()[0]) > 0


def test_each_way_begins_with_the_same_weights() -> None:
    network = nn.Linear(1, 1)
    nn.init.ones_(network.weight)

    def double() -> float:
        with torch.no_grad():
            network.weight *= 2
        return float(network.weight.detach())

    row = compare(network, {"crossbench": double, "plain loop": double}, turns=2)
    assert row["losses"] == "2.0000 2.0000"


def test_what_fails_is_not_timed() -> None:
    def fail() -> float:
        raise ValueError("no fit")

    with pytest.raises(ValueError, match="no fit"):
        compare(nn.Linear(1, 1), {"crossbench": fail, "plain loop": lambda: 1.0}, turns=1)
