"""What is timed: the right layers on the right inputs, forward or back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from crossbench.bench.cases import Layer, Network
from crossbench.bench.jobs import Setup
from crossbench.bench.workloads import draw, make, resolve
from crossbench.errors import ConversionError, RequestError
from crossbench.methods import LayerPlace, NetworkMethod
from crossbench.nets.plain import PLAIN_LAYERS
from crossbench.registry.entries import method_entries

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.bench.jobs import Job

CPU = torch.device("cpu")


def watch_gradients(module: nn.Module) -> dict[str, bool]:
    """Whether each parameter has been given a gradient, kept up to date."""
    learnt = {name: False for name, _ in module.named_parameters()}
    for name, parameter in module.named_parameters():
        parameter.register_post_accumulate_grad_hook(  # type: ignore[no-untyped-call]
            lambda _, name=name: learnt.update({name: True})
        )
    return learnt


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_every_registered_method_has_its_layer(
    job: Callable[..., Job], stride: int, backward: bool, dtype: str
) -> None:
    layer = Layer(name="small", shape=(2, 4, 6, 7), outputs=4, stride=stride)
    setup = Setup(device="cpu", dtype=dtype)  # type: ignore[arg-type]
    asked = job("time", layer=layer, backward=backward, setup=setup)
    for method in resolve([PLAIN_LAYERS[2], *method_entries()], ()):
        if isinstance(method, NetworkMethod):
            continue
        workload = make(asked, method, draw(asked, CPU))
        shapes: list[Any] = []
        workload.module.register_forward_hook(
            lambda _, inputs, output, shapes=shapes: shapes.append((inputs[0].shape, output.shape))
        )
        learnt = watch_gradients(workload.module)
        workload.call()
        depth = [1] if 2 not in method.dims else []
        sides = [6, 7] if stride == 1 else [3, 4]
        assert shapes == [(torch.Size([2, 4, *depth, 6, 7]), torch.Size([2, 4, *depth, *sides]))]
        assert workload.module.training == backward
        assert learnt == dict.fromkeys(learnt, backward)
        assert all(parameter.grad is None for parameter in workload.module.parameters())


def test_a_method_that_asks_is_told_the_place_of_the_case(job: Callable[..., Job]) -> None:
    (plain,) = resolve(["conv3d"], ())

    class Asking:
        name, dims = "asking", (3,)
        layer_2d = plain.layer_2d  # type: ignore[union-attr]

        def layer_3d(self, layer: nn.Module, place: LayerPlace) -> nn.Module:
            assert place == LayerPlace("stem", 0, 1, (1, 6, 7))
            return plain.layer_3d(layer)  # type: ignore[union-attr]

    asked = job("time", layer=Layer(name="stem", shape=(2, 4, 6, 7), outputs=4))
    make(asked, Asking(), draw(asked, CPU)).call()


def test_a_method_that_builds_networks_has_no_layer(job: Callable[..., Job]) -> None:
    asked = job("time", layer=Layer(name="small", shape=(2, 4, 6, 7), outputs=4))
    (method,) = resolve(["slices-2d"], ())
    with pytest.raises(ConversionError, match="no single layer; crossbench bench models times its"):
        make(asked, method, draw(asked, CPU))


@pytest.mark.parametrize(
    ("kind", "shape"), [("image", (2, 3, 33, 32)), ("volume", (2, 3, 32, 33, 34))]
)
def test_the_baseline_of_networks_is_plain(
    job: Callable[..., Job], kind: str, shape: tuple[int, ...]
) -> None:
    network = Network(name="small", kind=kind, shape=shape, backbone="test_resnet")
    (method,) = resolve([PLAIN_LAYERS[network.dimension]], ())
    asked = job("time", layer=None, network=network, backward=True)
    workload = make(asked, method, draw(asked, CPU))
    learnt = watch_gradients(workload.module)
    workload.call()
    kinds = {type(module) for module in workload.module.modules() if "Conv" in repr(type(module))}
    assert kinds == {nn.Conv2d if network.dimension == 2 else nn.Conv3d}
    assert all(learnt.values())


def test_inputs_and_plain_weights_are_the_same_for_all(job: Callable[..., Job]) -> None:
    outputs: list[Any] = []
    given = draw(job("time"), CPU)
    for method in resolve([PLAIN_LAYERS[2], "conv2d"], ()):
        workload = make(job("time"), method, given)
        workload.module.register_forward_hook(lambda *given: outputs.append(given[2]))
        workload.call()
    assert torch.equal(*outputs)


def test_a_job_without_a_case_is_refused(job: Callable[..., Job]) -> None:
    with pytest.raises(ValueError, match="a job to measure time needs a layer or a network"):
        draw(job("time", layer=None), CPU)


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(RequestError, match="unknown method 'crosd'; did you mean crossd"):
        resolve(["crosd"], ())
