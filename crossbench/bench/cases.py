"""Layers and networks that can be timed, as plain data. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.specs.reader import from_mapping
from crossbench.specs.toml import read_toml

_FOLDER = Path(__file__).parent / "layers"


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One convolution without bias, as ``nn.Conv2d`` takes it.

    Attributes:
        name: Name of the case.
        shape: (B, C, H, W) of the input. A 3D layer gets it as (B, C, 1, H, W).
        outputs: Output channels.
        kernel: Side length of the kernel.
        stride: As in ``nn.Conv2d``, like the rest.
        padding: Zeros on both sides.
        dilation: Spacing of the kernel's elements.
        groups: Number of channel groups.
    """

    name: str
    shape: tuple[int, int, int, int]
    outputs: int
    kernel: int = 3
    stride: int = 1
    padding: int = 1
    dilation: int = 1
    groups: int = 1

    @property
    def dimension(self) -> Literal[2, 3]:
        """A layer is timed on images, whatever the methods make of it."""
        return 2


@dataclass(frozen=True, kw_only=True)
class Network:
    """One classifier of ten classes.

    Attributes:
        name: Name of the case.
        kind: Input kind.
        shape: (B, C, H, W) or (B, C, D, H, W) of the input.
        backbone: timm name.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    backbone: str

    @property
    def dimension(self) -> int:
        """2 for images, 3 for volumes."""
        return len(self.shape) - 2


@dataclass(frozen=True, kw_only=True)
class _LayerFile:
    layer: tuple[Layer, ...]


def find_layers(name: str) -> tuple[Layer, ...]:
    """The layers of a set that ships with crossbench, or of a TOML file of one's own.

    Args:
        name: ``paper`` (the paper's Table III), ``resnet18`` (its convolutions at 224 pixels),
            or a path that ends in ``.toml``: a file of ``[[layer]]`` tables, whose keys are the
            attributes of :class:`Layer`.

    Raises:
        RequestError: If there is no such set.
        CardError: If the file is malformed.
    """
    shipped = {file.stem: file for file in sorted(_FOLDER.glob("*.toml"))}
    if not name.endswith(".toml") and name not in shipped:
        raise unknown_name("set of shapes", name, [*shipped, "FILE.toml"])
    file = shipped.get(name, Path(name))
    layers = from_mapping(_LayerFile, read_toml(file), where=str(file)).layer
    for layer in layers:
        _check(layer, where=str(file))
    names = [layer.name for layer in layers]
    if not names or len(set(names)) < len(names):
        msg = f"{file}: it must hold [[layer]] tables, each with a name of its own"
        raise CardError(msg)
    return layers


def _check(layer: Layer, *, where: str) -> None:
    sizes = (*layer.shape, layer.outputs, layer.kernel, layer.stride, layer.dilation, layer.groups)
    if min(sizes) < 1 or layer.padding < 0:
        msg = f"{where}: layer {layer.name!r}: sizes must be at least 1, and padding at least 0"
        raise CardError(msg)
    if layer.shape[1] % layer.groups or layer.outputs % layer.groups:
        msg = (
            f"{where}: layer {layer.name!r}: groups (={layer.groups}) must divide the "
            f"{layer.shape[1]} input and {layer.outputs} output channels"
        )
        raise CardError(msg)


def parse_input(text: str) -> tuple[int, ...]:
    """Spatial shape from ``224`` (a square image), ``HxW`` or ``DxHxW``.

    Raises:
        RequestError: If the text is none of these.
    """
    parts = text.lower().split("x")
    if len(parts) > 3 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        msg = f"input {text!r} is not a size such as 224, 224x224 or 64x64x64, nor 'tasks'"
        raise RequestError(msg)
    sizes = tuple(int(part) for part in parts)
    return sizes * 2 if len(sizes) == 1 else sizes
