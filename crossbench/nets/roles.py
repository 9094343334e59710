"""Roles of a network's parameters: kernels, learners with the head, others.

A method may declare it (:class:`crossbench.methods.Declarations`). Where it does not, a parameter
is taken for a kernel only if its shape says so: (C_out, C_in / groups, ...), the channels being
those of the module that holds it or of the convolution that the method's layer stands for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from crossbench.errors import ConversionError
from crossbench.nets.declarations import head_learners, kernel_axes
from crossbench.nets.modules import classifier

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from torch import Tensor

    from crossbench.methods import Method

#: Output channels, and input channels of one group.
Channels = tuple[int, int]

_MARK = "_crossbench_roles"


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A parameter that low-rank updates read as a matrix.

    Attributes:
        name: In the network: ``layer1.0.conv1.weight``.
        axes: Those of the output channels, which become the rows.
        spatial: Whether it reaches further than one voxel along some axis.
    """

    name: str
    axes: tuple[int, ...]
    spatial: bool


@dataclass(frozen=True, kw_only=True)
class Roles:
    """Roles of the parameters of a network.

    Attributes:
        kernels: Those that low-rank updates adapt.
        learns: Parameters that learn wherever the head does, by their names in the network; the
            values are their names in the method's layer.
        unread: Sizes of what looks like a kernel in layers that have no kernel of known layout,
            by name in the method's layer, summed over the layers.
        silent: Likewise for whatever else is in a layer of a method that does not declare what
            learns.
    """

    kernels: tuple[Kernel, ...] = ()
    learns: Mapping[str, str] = field(default_factory=dict)
    unread: Mapping[str, int] = field(default_factory=dict)
    silent: Mapping[str, int] = field(default_factory=dict)


def roles_of(network: nn.Module) -> Roles:
    """The assigned roles of a network, or those that its shapes tell."""
    known: Roles | None = getattr(network, _MARK, None)
    return known or Roles(kernels=tuple(_kernels(network, "", {classifier(network)})))


def channels_of(network: nn.Module) -> dict[str, Channels]:
    """The channels of every convolution of a 2D backbone, by its name."""
    return {
        name: (module.out_channels, module.in_channels // module.groups)
        for name, module in network.named_modules(remove_duplicate=False)
        if isinstance(module, nn.Conv2d)
    }


def assign_roles(network: nn.Module, method: Method, layers: Mapping[str, Channels | None]) -> None:
    """Determine the roles of a network's parameters and keep them with it.

    Args:
        network: A network of the method.
        method: Whose declarations are read.
        layers: The method's layers: their names, and the channels of the convolutions that they
            stand for; or None for ``""``, the whole network that a method has built.

    Raises:
        ConversionError: If the method declares what its layers do not have.
    """
    reader = _Reader(network, method, layers)
    object.__setattr__(network, _MARK, reader.read())


def restrict_roles(network: nn.Module) -> None:
    """Forget the assigned roles of parameters that a network does not have, as a part of one."""
    known: Roles | None = getattr(network, _MARK, None)
    if known is None:
        return
    names = {name for name, _ in network.named_parameters(remove_duplicate=False)}
    roles = replace(
        known,
        kernels=tuple(kernel for kernel in known.kernels if kernel.name in names),
        learns={name: own for name, own in known.learns.items() if name in names},
    )
    object.__setattr__(network, _MARK, roles)


class _Reader:
    """Goes through the layers of one network."""

    def __init__(
        self, network: nn.Module, method: Method, layers: Mapping[str, Channels | None]
    ) -> None:
        self._network, self._method, self._layers = network, method, layers
        self._axes, self._learners = kernel_axes(method), head_learners(method)

    def read(self) -> Roles:
        kernels: list[Kernel] = []
        learns: dict[str, str] = {}
        unread, silent = Counter[str](), Counter[str]()
        seen: set[nn.Module | None] = {classifier(self._network)}
        for layer, channels in self._layers.items():
            module = self._network.get_submodule(layer)
            if module in seen:
                continue
            own = dict(module.named_parameters())
            found = list(self._kernels_in(module, layer, channels, seen))
            seen.add(module)
            kernels += found
            heads = {_join(layer, name): name for name in own if _is_part(name, self._learners)}
            self._refuse_both(found, heads)
            learns |= heads
            if self._learners is None and channels is not None:
                for name in _left(module, own, layer, found):
                    looks_like_one = not found and own[name].ndim >= 3
                    (unread if looks_like_one else silent)[name] += own[name].numel()
        self._refuse_absent("kernels", self._axes, {kernel.name for kernel in kernels})
        self._refuse_absent("learns", self._learners, set(learns))
        return Roles(
            kernels=tuple(kernels), learns=learns, unread=dict(unread), silent=dict(silent)
        )

    def _kernels_in(
        self, module: nn.Module, layer: str, channels: Channels | None, seen: set[nn.Module | None]
    ) -> Iterator[Kernel]:
        if self._axes is None:
            yield from _kernels(module, layer, seen, channels)
            return
        parameters = dict(module.named_parameters())
        for name, axes in self._axes.items():
            if name in parameters:
                yield self._declared(_join(layer, name), parameters[name], axes, channels)

    def _declared(
        self, name: str, kernel: Tensor, axes: tuple[int, ...], channels: Channels | None
    ) -> Kernel:
        """A kernel as the method declares it, if its shape allows that."""
        shape = tuple(kernel.shape)
        fits = all(-kernel.ndim <= axis < kernel.ndim for axis in axes)
        rows = prod(shape[axis] for axis in axes) if fits else None
        if rows is None or (channels and rows != channels[0]):
            wanted = f"its {channels[0]} output channels" if channels else "output channels"
            msg = (
                f"{name}: method {self._method.name!r} declares axes {axes} to be {wanted}, which "
                f"those of {shape} are not"
            )
            raise ConversionError(msg)
        axes = tuple(axis % kernel.ndim for axis in axes)
        size = prod(channels) if channels else prod(shape[:2])
        return Kernel(name=name, axes=axes, spatial=kernel.numel() > size)

    def _refuse_both(self, kernels: list[Kernel], heads: Mapping[str, str]) -> None:
        for kernel in kernels:
            if kernel.name in heads:
                msg = (
                    f"{kernel.name} of method {self._method.name!r} is a kernel and is declared to "
                    "learn with the head; it can be one of them"
                )
                raise ConversionError(msg)

    def _refuse_absent(
        self, attribute: str, declared: Collection[str] | None, found: set[str]
    ) -> None:
        for name in declared or ():
            if not any(f".{name}." in f".{each}." for each in found):
                msg = (
                    f"method {self._method.name!r} declares {attribute} {name!r}, which no layer "
                    "of its network has"
                )
                raise ConversionError(msg)


def _is_part(name: str, declared: Collection[str] | None) -> bool:
    """Whether a parameter is among the declared ones, or in a submodule that is."""
    return any(f"{name}.".startswith(f"{each}.") for each in declared or ())


def _left(
    module: nn.Module, own: Mapping[str, Tensor], layer: str, kernels: list[Kernel]
) -> Iterator[str]:
    """Parameters of a layer beyond kernels, their biases and BatchNorm."""
    taken = {kernel.name.removeprefix(f"{layer}.") for kernel in kernels}
    biases = {f"{name.rpartition('.')[0]}.bias".lstrip(".") for name in taken} | {"bias"}
    norms = {path for path, each in module.named_modules() if isinstance(each, _BatchNorm)}
    for name in own:
        if name not in taken | biases and name.rpartition(".")[0] not in norms:
            yield name


# ------------------------------------------------------------------------- kernels by their shape


def _join(layer: str, name: str) -> str:
    return f"{layer}.{name}" if layer else name


def _kernels(
    module: nn.Module, path: str, seen: set[nn.Module | None], channels: Channels | None = None
) -> Iterator[Kernel]:
    """Kernels of a module: three or more axes, the first two its channels.

    Modules within a module that holds one are passed over: they steer that layer.
    """
    if module in seen:
        return
    seen.add(module)
    wanted = _own_channels(module) or channels
    own = [
        Kernel(name=_join(path, name), axes=(0,), spatial=max(tensor.shape[2:]) > 1)
        for name, tensor in module.named_parameters(recurse=False)
        if tensor.ndim >= 3 and tuple(tensor.shape[:2]) == wanted
    ]
    yield from own
    if not own:
        for name, child in module.named_children():
            yield from _kernels(child, _join(path, name), seen, channels)


def _own_channels(module: nn.Module) -> Channels | None:
    """A module's channel attributes, named as torch's are."""
    out = getattr(module, "out_channels", None)
    into, groups = getattr(module, "in_channels", None), getattr(module, "groups", 1)
    if not (isinstance(out, int) and isinstance(into, int) and isinstance(groups, int)):
        return None
    return (out, into // groups) if groups > 0 else None
