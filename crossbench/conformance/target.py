"""The method under examination, and the cases that are made of it, the smallest first."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from torch import nn

from crossbench.conformance.geometry import Geometry
from crossbench.data.inputs import find_kind
from crossbench.environment.state import own_randomness
from crossbench.errors import ConversionError
from crossbench.methods import NetworkMethod, input_kinds
from crossbench.nets.build import construct
from crossbench.nets.modules import layer_of
from crossbench.nets.request import BuildRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import torch

    from crossbench.methods import Convolution, Method

#: 2D networks that networks are made from: the first that the method does not refuse.
BACKBONES = ("test_resnet", "resnet18", "resnet50")

#: Layers that all but shapes is tried on, from the smallest on; the last is like a ResNet's stem.
LADDER = (
    Geometry(inputs=2, outputs=3, sides=(4, 4, 4)),
    Geometry(kernel=3, padding=1, inputs=2, outputs=3, sides=(4, 5, 6)),
    Geometry(kernel=3, stride=2, padding=1, inputs=3, outputs=4, bias=True, sides=(6, 5, 4)),
    Geometry(kernel=3, padding=1, groups=2, inputs=4, outputs=4, sides=(5, 5, 5)),
    Geometry(kernel=3, padding=2, dilation=2, inputs=2, outputs=4, sides=(7, 7, 7)),
    Geometry(kernel=5, padding=2, inputs=4, outputs=4, sides=(7, 7, 7)),
    Geometry(kernel=7, stride=2, padding=3, inputs=3, outputs=8, bias=True, sides=(9, 9, 9)),
)

CLASSES = 3


@dataclass(frozen=True, kw_only=True)
class LayerCase:
    """A layer of a method in place of one convolution, in 2D or in 3D."""

    method: Convolution
    geometry: Geometry
    dims: int

    def __str__(self) -> str:
        sides = " × ".join(map(str, self.geometry.sides[-self.dims :]))
        return f"layer_{self.dims}d of {self.geometry.conv(2)} on {sides}"

    def conv(self) -> nn.Conv2d:
        """The convolution that the layer takes the place of."""
        it = self.geometry
        return nn.Conv2d(it.inputs, it.outputs, it.kernel, **it.arguments())

    def layer_2d(self) -> nn.Module:
        """The method's 2D layer."""
        return layer_of(self.method, "layer_2d", self.conv())

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The 3D layer of a 2D one."""
        return layer_of(self.method, "layer_3d", layer)

    def build(self) -> nn.Module:
        """The 2D layer, or the 3D one made of it."""
        layer = self.layer_2d()
        return layer if self.dims == 2 else self.layer_3d(layer)

    def shape(self, batch: int) -> tuple[int, ...]:
        """(B, C_in, H, W) or (B, C_in, D, H, W)."""
        return (batch, self.geometry.inputs, *self.geometry.sides[-self.dims :])

    def expected(self, batch: int) -> tuple[int, ...]:
        """The shape of ``nn.Conv2d``'s or ``nn.Conv3d``'s answer, computed without numbers."""
        it = self.geometry
        plain = {2: nn.Conv2d, 3: nn.Conv3d}[self.dims]
        conv = plain(it.inputs, it.outputs, it.kernel, **it.arguments(), device="meta")
        answer: torch.Tensor = conv(conv.weight.new_empty(self.shape(batch)))
        return tuple(answer.shape)

    def simpler(self) -> Iterator[LayerCase]:
        """Layers of simpler geometries."""
        return (replace(self, geometry=each) for each in self.geometry.simpler())


@dataclass(frozen=True, kw_only=True)
class NetworkCase:
    """A network of a method for one kind of input."""

    method: Method
    kind: str
    backbone: str
    sides: tuple[int, ...]
    channels: int = 3
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        sides = " × ".join(map(str, self.sides))
        return f"network for {self.kind}s (backbone {self.backbone}) on {sides}"

    @property
    def dims(self) -> int:
        """Spatial axes of an input."""
        return len(self.sides)

    def request(self) -> BuildRequest:
        """Request that the method is given."""
        return BuildRequest(
            kind=self.kind,
            dims=self.dims,
            shape=self.sides,
            facts=self.facts,
            num_classes=CLASSES,
            backbone=self.backbone,
        )

    def build(self) -> nn.Module:
        """The network under random weights."""
        return construct(self.method, self.request())

    def shape(self, batch: int) -> tuple[int, ...]:
        """(B, C, *spatial)."""
        return (batch, self.channels, *self.sides)

    def expected(self, batch: int) -> tuple[int, ...]:
        """(B, K)."""
        return (batch, CLASSES)

    def simpler(self) -> Iterator[NetworkCase]:
        """None: a network for this input is the example."""
        return iter(())


@dataclass(frozen=True)
class Target:
    """A method, and what importing it has changed of the process's state.

    Attributes:
        method: The method.
        device: Device that costs are measured on.
        imported: What its import changed, in words, and was put back.
    """

    method: Method
    device: torch.device
    imported: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "its import"

    def simpler(self) -> Iterator[Target]:
        """None: there is one method."""
        return iter(())

    def layers(self, geometries: Iterable[Geometry] = LADDER) -> Iterator[LayerCase]:
        """Its layers, in 2D and, where it is for volumes, in 3D; none of a whole network."""
        method = self.method
        if not isinstance(method, NetworkMethod):
            for geometry in geometries:
                for dims in (2, 3) if 3 in method.dims else (2,):
                    yield LayerCase(method=method, geometry=geometry, dims=dims)

    def conversions(self) -> Iterator[LayerCase]:
        """Its 3D layers."""
        return (case for case in self.layers() if case.dims == 3)

    def networks(self) -> Iterator[NetworkCase]:
        """A network for each kind of input that it takes."""
        return map(self._network, input_kinds(self.method))

    def all(self) -> Iterator[LayerCase | NetworkCase]:
        """Its layers, then its networks."""
        return chain(self.layers(), self.networks())

    def _network(self, kind: str) -> NetworkCase:
        """A network on the first backbone that the method does not refuse, or on the last."""
        form = find_kind(kind)
        shape, facts = form.example()
        cases = [
            NetworkCase(
                method=self.method,
                kind=kind,
                backbone=backbone,
                sides=shape,
                channels=form.channels_fed,
                facts=facts,
            )
            for backbone in BACKBONES
        ]
        return next((case for case in cases[:-1] if not _is_refused(case)), cases[-1])


def _is_refused(case: NetworkCase) -> bool:
    try:
        with own_randomness(0):
            case.build()
    except ConversionError:
        return True
    except Exception:  # noqa: BLE001  (the examination of the network tells of it)
        return False
    return False
