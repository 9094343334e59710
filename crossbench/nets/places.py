"""Where the convolutions of a backbone stand, and how large their inputs are.

A backbone is followed on the meta device, which computes shapes alone. Of a volume, the plane
passes through the 2D network as an image does, and so does a square of its depth: each axis of a
network that can be converted to 3D is treated like every other.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from crossbench.methods import LayerPlace

if TYPE_CHECKING:
    from torch import Tensor

#: Channels of what backbones take; gray samples are fed three times over.
CHANNELS = 3

#: The spatial shapes of the inputs of a convolution, by its name.
_Shapes = dict[str, tuple[int, ...]]


def places_of(network: nn.Module, shape: tuple[int, ...] = ()) -> dict[str, LayerPlace]:
    """The place of every convolution of a 2D backbone, by each of its names.

    Args:
        network: The backbone, left as it is.
        shape: Spatial shape of one input of the network that is being built, (H, W) or (D, H, W);
            empty where it is not known.
    """
    shapes = _input_shapes(network, shape)
    order = list(_convolutions(network, duplicates=False).values())
    return {
        name: LayerPlace(name, order.index(module), len(order), shapes.get(name, ()))
        for name, module in _convolutions(network, duplicates=True).items()
    }


def _convolutions(network: nn.Module, *, duplicates: bool) -> dict[str, nn.Conv2d]:
    named = network.named_modules(remove_duplicate=not duplicates)
    return {name: module for name, module in named if isinstance(module, nn.Conv2d)}


def _input_shapes(network: nn.Module, shape: tuple[int, ...]) -> _Shapes:
    """The shapes of what reaches each convolution; nothing where that cannot be told."""
    if not shape:
        return {}
    try:
        plane = _followed(network, shape[-2:])
        depth = _followed(network, shape[:1] * 2)
    except Exception:  # noqa: BLE001 - whatever a module may raise for an input of this size
        return {}
    if len(shape) == 2:
        return plane
    return {name: depth[name][:1] + plane[name] for name in plane.keys() & depth.keys()}


@torch.no_grad()
def _followed(network: nn.Module, sides: tuple[int, ...]) -> _Shapes:
    """The input shape of each convolution that sees one shape alone, for an image."""
    traced = copy.deepcopy(network).to("meta").eval()
    seen: dict[str, set[tuple[int, ...]]] = {}
    for name, module in _convolutions(traced, duplicates=True).items():

        def note(_: nn.Module, inputs: tuple[Tensor], name: str = name) -> None:
            seen.setdefault(name, set()).add(tuple(inputs[0].shape[2:]))

        module.register_forward_pre_hook(note)
    traced(torch.empty(1, CHANNELS, *sides, device="meta"))
    return {name: next(iter(shapes)) for name, shapes in seen.items() if len(shapes) == 1}
