"""Geometries of convolutions, and those that are simpler."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """A convolution, alike along all axes, and the sides of its input.

    Attributes:
        kernel: Side of its kernel.
        stride: As in ``nn.Conv2d``, like the rest.
        padding: Zeros on both sides.
        dilation: Spacing of the kernel's elements.
        groups: Number of channel groups.
        inputs: Input channels.
        outputs: Output channels.
        bias: Whether it has one.
        sides: Depth, height and width of its input; an image has the last two.
    """

    kernel: int = 1
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1
    inputs: int = 1
    outputs: int = 1
    bias: bool = False
    sides: tuple[int, int, int] = (1, 1, 1)

    @property
    def reach(self) -> int:
        """Voxels between the first and the last that one output sees along an axis."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def exists(self) -> bool:
        """Whether there is such a convolution, and an output of it for this input."""
        divides = self.inputs % self.groups == 0 and self.outputs % self.groups == 0
        return divides and min(self.sides) + 2 * self.padding >= self.reach

    @property
    def size(self) -> tuple[int, ...]:
        """Key of the order of geometries: how much of it there is, kernel first."""
        further = self.stride + self.padding + self.dilation + self.groups + self.bias
        return (self.kernel, further, self.inputs + self.outputs, sum(self.sides))

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of ``nn.Conv2d`` or ``nn.Conv3d``, positional ones left out."""
        names = ("stride", "padding", "dilation", "groups", "bias")
        return {name: getattr(self, name) for name in names}

    def simpler(self) -> Iterator[Geometry]:
        """Geometries that differ in one respect and are smaller, the smallest first."""
        changes: list[dict[str, Any]] = [{"kernel": side} for side in range(1, self.kernel, 2)]
        for name, least in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
            changes += [{name: value} for value in range(least, getattr(self, name))]
        changes += [{"bias": False}] if self.bias else []
        for name in ("inputs", "outputs"):
            changes += [{name: count} for count in range(1, getattr(self, name))]
        cubes = [(side,) * 3 for side in range(1, max(self.sides) + 1)]
        changes += [{"sides": cube} for cube in cubes if sum(cube) < sum(self.sides)]
        made = (replace(self, **change) for change in changes)
        return (each for each in made if each.exists)

    def conv(self, dims: int) -> str:
        """The convolution as one writes it: ``Conv2d(1, 4, 3, stride=2)``."""
        default = Geometry(bias=True).arguments()
        rest = [
            f"{name}={value}" for name, value in self.arguments().items() if value != default[name]
        ]
        return f"Conv{dims}d({', '.join([f'{self.inputs}, {self.outputs}, {self.kernel}', *rest])})"
