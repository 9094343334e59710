"""Costs of a method's layer and networks beside a plain convolution's."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, cast

import torch

from crossbench.conformance.comparing import draw, make
from crossbench.conformance.geometry import Geometry
from crossbench.conformance.target import BACKBONES, LayerCase, NetworkCase, Target
from crossbench.environment.measure import interleave, peak_memory, return_freed_blocks
from crossbench.errors import ConversionError
from crossbench.nets.cost import count_multiply_adds
from crossbench.nets.plain import PLAIN_LAYERS, PlainConvolution
from crossbench.specs.conformance import Cost, Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor, nn

    from crossbench.methods import Convolution

_REPEATS = 5
_BACKBONE = "resnet18"
_LAYER = Geometry(kernel=3, padding=1, inputs=64, outputs=64, sides=(16, 16, 16))


def measure(target: Target) -> Iterator[Cost]:
    """A method's cost in eval mode, without gradients, for one sample.

    Measured are a layer of a ResNet's first stage, in the highest dimension that the method has,
    and its networks on ResNet-18, or on the only backbone that it takes. What the method refuses is
    left out.
    """
    return_freed_blocks()
    layers = list(target.layers([_LAYER]))[-1:]
    networks = (
        replace(case, backbone=max(case.backbone, _BACKBONE, key=BACKBONES.index))
        for case in target.networks()
    )
    cases: list[LayerCase | NetworkCase] = [*layers, *networks]
    for case in cases:
        try:
            yield _cost(case, target.device)
        except ConversionError:
            continue


def _cost(case: LayerCase | NetworkCase, device: torch.device) -> Cost:
    reference = PLAIN_LAYERS.get(case.dims)
    inputs = draw(case, 1).to(device)
    rivals = {"method": _Rival(make(case), inputs)}
    if reference and _is_spatial(case):
        plain = cast("Convolution", PlainConvolution(reference))
        rivals["plain"] = _Rival(make(replace(case, method=plain)), inputs)
    spent = _spent(rivals, device)
    return Cost(
        workload=str(case),
        reference=(reference or "") if "plain" in spent else "",
        method=spent["method"],
        plain=spent.get("plain"),
    )


def _is_spatial(case: LayerCase | NetworkCase) -> bool:
    return isinstance(case, LayerCase) or case.kind in {"image", "volume"}


@dataclass
class _Rival:
    """A module that is measured."""

    module: nn.Module
    inputs: Tensor

    def __post_init__(self) -> None:
        self.module.to(self.inputs.device).eval()

    @torch.no_grad()
    def __call__(self) -> None:
        self.module(self.inputs)


def _spent(rivals: dict[str, _Rival], device: torch.device) -> dict[str, Spent]:
    calls: dict[str, Callable[[], object]] = dict(rivals)
    peaks = {name: peak_memory(call, device) for name, call in calls.items()}
    times, failures = interleave(calls, repeats=_REPEATS, device=device)
    for error in failures.values():
        raise error
    return {
        name: Spent(
            parameters=sum(each.numel() for each in rival.module.parameters()),
            multiply_adds=count_multiply_adds(rival),
            seconds=median(times[name]),
            bytes=peaks[name],
        )
        for name, rival in rivals.items()
    }
