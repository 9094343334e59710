"""Ways of launching a training step: eagerly, by ``torch.compile``, as a CUDA graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from crossbench.environment.arithmetic import finish
from crossbench.nets.build import build_model
from crossbench.training.timing import seconds_of

Step = Callable[[], None]

#: Methods whose networks are measured; the first alone where all is small.
METHODS = ("conv3d", "acs", "crossd")

_WARM = 3  # steps before a graph is captured, and that ways are compared after


def ways(device: torch.device, *, tiny: bool) -> list[dict[str, Any]]:
    """A training step, launched in each way that the device has, and whether its weights agree."""
    rows = []
    for method in METHODS[:1] if tiny else METHODS:
        eager: dict[str, torch.Tensor] = {}
        for way, make in _ways(device, tiny=tiny).items():
            network, (inputs, labels) = build(method, device, tiny=tiny), _batch(device, tiny=tiny)
            step = make(network, inputs, labels)
            for _ in range(_WARM):
                step()
            finish(device)
            weights = {name: each.detach().clone() for name, each in network.state_dict().items()}
            eager = eager or weights
            equal = all(torch.equal(weights[name], eager[name]) for name in weights)
            milliseconds = 1000 * seconds_of(step, device)
            rows.append(
                {
                    "method": method,
                    "training step": way,
                    "ms": f"{milliseconds:.2f}",
                    "weights": "as eager" if equal else "differ",
                }
            )
    return rows


def _ways(
    device: torch.device, *, tiny: bool
) -> dict[str, Callable[[nn.Module, torch.Tensor, torch.Tensor], Step]]:
    known = {"eager": eager_step}
    if not tiny:
        known["torch.compile"] = lambda network, *batch: eager_step(
            network, *batch, run=torch.compile(network)
        )
    if device.type == "cuda":
        known["CUDA graph"] = graphed_step
    return known


def build(method: str, device: torch.device, *, tiny: bool) -> nn.Module:
    """A network of a method for volumes of two classes, with the same weights at every call."""
    torch.manual_seed(0)
    backbone = "test_resnet" if tiny else "resnet18"
    network = build_model(method, dims=3, num_classes=2, backbone=backbone)
    return network.to(device).train()


def _batch(device: torch.device, *, tiny: bool) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    inputs = torch.rand(4 if tiny else 32, 3, 32, 32, 32)
    return inputs.to(device), (torch.arange(len(inputs)) % 2).to(device)


def eager_step(
    network: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    run: Callable[..., torch.Tensor] | None = None,
) -> Step:
    """A step of gradient descent, each of whose kernels is launched by Python."""
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    forward = network if run is None else run  # a compiled network has no truth value

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(forward(inputs), labels).backward()
        optimizer.step()

    return step


def graphed_step(network: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> Step:
    """A step whose kernels are launched together; weights are as before the capture."""
    before = {name: each.clone() for name, each in network.state_dict().items()}
    step = eager_step(network, inputs, labels)
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(_WARM):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    network.load_state_dict(before)
    return graph.replay
