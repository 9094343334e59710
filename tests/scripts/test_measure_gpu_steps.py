"""Ways of launching a training step, small and on the CPU."""

from __future__ import annotations

import torch
from measure_gpu_steps import build, eager_step


def test_a_compiled_network_steps_as_the_network_does() -> None:
    inputs, labels = torch.rand(2, 3, 32, 32, 32), torch.tensor([0, 1])
    weights = []
    for compiled in (False, True):
        network = build("conv3d", torch.device("cpu"), tiny=True)
        run = torch.compile(network, backend="eager") if compiled else None
        eager_step(network, inputs, labels, run=run)()
        weights.append({name: each.clone() for name, each in network.state_dict().items()})
    eager, compiled_ones = weights
    for name, each in eager.items():
        torch.testing.assert_close(compiled_ones[name], each)
