"""A method's kernel on its way from 2D to 3D, measured as what its layers answer to an impulse."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from crossbench.environment.state import own_randomness
from crossbench.errors import ConversionError
from crossbench.methods import NetworkMethod
from crossbench.nets.modules import layer_of
from crossbench.specs.conformance import Kernel

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.methods import Method

_SIZE, _OUTPUTS, _SIDE = 3, 6, 9
_MOST = 3  # kernels that differ
_DECIMALS = 6


def kernels(method: Method) -> tuple[Kernel, ...]:
    """The kernels of a method's 2D layer, and of the 3D layer made of it.

    The convolution that it is given maps one channel to six by one kernel, a ramp from 1/9 to 1.
    A kernel is the answer to an impulse less that to nothing, mirrored about the impulse: of a
    convolution its weights, and of another layer what it amounts to there. Output channels with
    equal kernels are told together, and three different ones at most.

    Returns:
        None for a method of whole networks, without a 3D form, or that refuses such a layer.
    """
    if isinstance(method, NetworkMethod) or 3 not in method.dims:
        return ()
    try:
        with torch.no_grad(), own_randomness(0):
            plain = layer_of(method, "layer_2d", _ramp())
            planes = _answers(plain, 2)
            volumes = _answers(layer_of(method, "layer_3d", plain), 3)
    except ConversionError:
        return ()
    found: dict[tuple[bytes, bytes], list[int]] = {}
    for channel in range(_OUTPUTS):
        key = tuple(each[channel].numpy().tobytes() for each in (planes, volumes))
        found.setdefault((key[0], key[1]), []).append(channel)
    return tuple(
        Kernel(
            channels=tuple(channels),
            plane=tuple(map(tuple, planes[channels[0]].tolist())),
            volume=tuple(tuple(map(tuple, each)) for each in volumes[channels[0]].tolist()),
        )
        for channels in list(found.values())[:_MOST]
    )


def _ramp() -> nn.Conv2d:
    """A convolution of one kernel that is the same upside down nowhere."""
    conv = nn.Conv2d(1, _OUTPUTS, _SIZE, padding=_SIZE // 2, bias=False)
    ramp = torch.arange(1, _SIZE**2 + 1, dtype=torch.float32) / _SIZE**2
    conv.weight.copy_(ramp.view(_SIZE, _SIZE).expand_as(conv.weight))
    return conv


def _answers(layer: nn.Module, dims: int) -> Tensor:
    """(outputs, 3, ..., 3), rounded: the kernels about the middle."""
    impulse = torch.zeros(1, 1, *[_SIDE] * dims)
    impulse[(0, 0, *[_SIDE // 2] * dims)] = 1
    layer = layer.eval()
    answer = layer(impulse) - layer(torch.zeros_like(impulse))
    middle = slice((_SIDE - _SIZE) // 2, (_SIDE + _SIZE) // 2)
    kernel = answer[0].flip(tuple(range(1, dims + 1)))[(slice(None), *[middle] * dims)]
    return torch.round(kernel.double(), decimals=_DECIMALS) + 0.0  # no negative zero
