"""From a case and a method to a call that can be timed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor, nn

from crossbench.environment.arithmetic import autocast
from crossbench.environment.state import importing
from crossbench.errors import ConversionError
from crossbench.methods import LayerPlace, NetworkMethod
from crossbench.nets.build import build_model
from crossbench.nets.modules import layer_of
from crossbench.nets.plain import PLAIN_LAYERS, PlainConvolution
from crossbench.registry.methods import find_methods

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crossbench.bench.cases import Layer, Network
    from crossbench.bench.jobs import Job
    from crossbench.methods import Method

_CLASSES = 10


class Given(NamedTuple):
    """What all methods share: the inputs, and the gradient of the output or the labels."""

    inputs: Tensor
    answer: Tensor


class Workload(NamedTuple):
    """A call, which leaves nothing behind, and what it calls."""

    call: Callable[[], None]
    module: nn.Module


def resolve(names: Sequence[str], plugins: Sequence[str]) -> list[Method]:
    """The methods of a job; a baseline is one of them.

    Raises:
        RequestError: If a name is unknown or a plugin cannot be loaded.
    """
    registered = [name for name in names if name not in PLAIN_LAYERS.values()]
    with importing(", ".join(registered)):
        found: dict[str, Method] = {each.name: each for each in find_methods(registered, plugins)}
    return [found[name] if name in found else PlainConvolution(name) for name in names]


def draw(job: Job, device: torch.device) -> Given:
    """The inputs of a case and what a pass back starts from, drawn once for all methods.

    Raises:
        ValueError: If the job has no case.
    """
    torch.manual_seed(0)
    if job.layer is not None:
        shape = (job.batch, *job.layer.shape[1:])
        on_paper = _plain_layer(job.layer, device="meta")
        answer = on_paper(torch.empty(shape, device="meta")).shape if job.backward else (0, 0)
        # A layer inside a network is fed, and answered, in the precision of its neighbours.
        dtype = torch.bfloat16 if job.setup.dtype == "bfloat16" else torch.float32
        return Given(
            torch.randn(shape, device=device, dtype=dtype),
            torch.randn(answer, device=device, dtype=dtype),
        )
    if job.network is not None:
        inputs = torch.randn(job.batch, *job.network.shape[1:], device=device)
        return Given(inputs, torch.arange(job.batch, device=device) % _CLASSES)
    msg = f"a job to measure {job.what} needs a layer or a network"
    raise ValueError(msg)


def make(job: Job, method: Method, given: Given) -> Workload:
    """What a job times for one method; fresh weights come from one seed for all.

    ``forward`` is a pass in eval mode without gradients. A training step is a pass in training
    mode and back, to every weight and, for a layer, to its input too; no optimiser runs.

    Raises:
        ConversionError: If the method has no form for this case.
    """
    torch.manual_seed(0)
    if job.layer is not None:
        return _layer(job, job.layer, method, given)
    return _network(job, method, given)


def _layer(job: Job, layer: Layer, method: Method, given: Given) -> Workload:
    if isinstance(method, NetworkMethod):
        msg = f"method {method.name!r} builds whole networks and has no single layer"
        raise ConversionError(f"{msg}; crossbench bench models times its networks")
    inputs, gradient = given
    if 2 not in method.dims:
        inputs, gradient = inputs.unsqueeze(2), gradient.unsqueeze(2)
    place = LayerPlace(name=layer.name, shape=tuple(inputs.shape[2:]))
    module = layer_of(method, "layer_2d", _plain_layer(layer), place)
    if 2 not in method.dims:
        module = layer_of(method, "layer_3d", module, place)
    inputs = inputs.detach().requires_grad_(job.backward)

    def back(output: Tensor) -> None:
        output.backward(gradient)  # type: ignore[no-untyped-call]

    return _workload(job, module.to(inputs.device), inputs, back)


def _plain_layer(layer: Layer, device: str = "cpu") -> nn.Conv2d:
    geometry = (layer.kernel, layer.stride, layer.padding, layer.dilation, layer.groups)
    return nn.Conv2d(layer.shape[1], layer.outputs, *geometry, bias=False, device=device)


def _network(job: Job, method: Method, given: Given) -> Workload:
    inputs, labels = given
    network = cast("Network", job.network)
    module = build_model(
        method,
        dims=network.dimension,
        kind=network.kind,
        shape=network.shape[2:],
        num_classes=_CLASSES,
        backbone=network.backbone,
    )

    def back(output: Tensor) -> None:
        nn.functional.cross_entropy(output.float(), labels).backward()  # type: ignore[no-untyped-call]

    return _workload(job, module.to(inputs.device), inputs, back)


def _workload(
    job: Job, module: nn.Module, inputs: Tensor, back: Callable[[Tensor], None]
) -> Workload:
    precision = "bfloat16" if job.setup.dtype == "bfloat16" else "float32"

    @torch.no_grad()
    def forward() -> None:
        with autocast(inputs.device, precision):
            module(inputs)

    def step() -> None:
        with autocast(inputs.device, precision):
            output = module(inputs)
        back(output)
        module.zero_grad(set_to_none=True)  # the next method needs the room
        inputs.grad = None

    module.train(job.backward)
    return Workload(step if job.backward else forward, module)
