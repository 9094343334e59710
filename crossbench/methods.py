"""The method interface: all that a new convolution has to provide.

A 2D network is the backbone with ``layer_2d`` mapped over its convolutions. A 3D network
is a trained 2D network with ``layer_3d`` mapped over those layers; everything else that
knows its dimension (BatchNorm, pooling, dropout) is converted by :mod:`crossbench.nets`.

Example:
    A complete plugin file, run by ``crossbench run --plugin mine.py --method mean3d``::

        from torch import nn

        class Mean3d:
            '''Repeat each 2D kernel over the depth axis, divided by its length.'''

            name = "mean3d"
            dims = (3,)

            def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
                return conv

            def layer_3d(self, layer: nn.Module) -> nn.Module:
                ...

        method = Mean3d()

What a method returns is what runs, from random and from trained weights alike. What goes beyond
that, a method says by an optional attribute of :class:`Declarations`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

from crossbench.errors import ConversionError

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "Declarations",
    "Method",
    "Observer",
    "cube",
    "drawing_3d",
    "head_learners",
    "kernel_axes",
]

Number = TypeVar("Number", int, float)


@runtime_checkable
class Method(Protocol):
    """How a backbone gets its 2D layers, and how each of them becomes a 3D layer.

    Attributes:
        name: Registry name in kebab case.
        dims: Dimensions of the tasks the method is evaluated on: ``(2,)``, ``(3,)`` or
            ``(2, 3)``. Elsewhere the plan shows "not applicable", never a zero.
    """

    name: str
    dims: tuple[int, ...]

    def layer_2d(self, conv: nn.Conv2d) -> nn.Module:
        """The layer that takes the place of ``conv`` in the 2D network.

        Args:
            conv: A convolution of the backbone. Return it unchanged where the method's 2D
                form is the plain convolution.

        Returns:
            A module mapping (B, C_in, H, W) to (B, C_out, H', W') as ``conv`` would.
        """
        ...

    def layer_3d(self, layer: nn.Module) -> nn.Module:
        """The 3D layer that carries the weights of a (possibly trained) 2D layer.

        Args:
            layer: What ``layer_2d`` returned.

        Returns:
            A module mapping (B, C_in, D, H, W) to (B, C_out, D', H', W'), on the device
            and with the dtype of ``layer``.

        Raises:
            ConversionError: If this geometry has no 3D form.
        """
        ...


class Declarations(Protocol):
    """What a method may declare beyond :class:`Method`; each attribute may be left out.

    Attributes:
        learns: Parameters of the method's layers, or submodules, by their names in the layer,
            that learn wherever the head does: under every protocol but ``linear-probe``. ``()``
            says that none do, which is not asked after; left out, the plan warns of parameters
            that nothing trains.
        kernels: By its name in the layer, the axis (or axes) of each kernel's output channels,
            which low-rank updates read as the rows of a matrix and all other axes as its columns:
            ``{"weight": 0}``. Left out, a parameter is a kernel if its shape is
            (C_out, C_in / groups, ...).
    """

    learns: Sequence[str]
    kernels: Mapping[str, int | tuple[int, ...]]

    def draw_3d(self, layer: nn.Module) -> None:
        """Draw the weights of a 3D layer afresh, in place.

        Called for each layer of a 3D network under random weights, when there is nothing to
        carry from 2D: a method that has it is then trained in 3D from scratch. Left out, what
        ``layer_3d`` made of the drawn 2D layer is what runs.

        Args:
            layer: What ``layer_3d`` returned.
        """
        ...

    def config(self) -> Mapping[str, Any]:
        """The values that the method was built with, by name.

        They are a part of every run's identity, beside the method's files, and stand in its
        record. Left out, the method's public attributes are; one that is of no plain type is then
        refused.

        Returns:
            None, bool, int, finite float, str, and lists, tuples and dicts of these; of what is
            read from other files, a hash.
        """
        ...


def drawing_3d(method: Method) -> Callable[[nn.Module], None] | None:
    """A method's :meth:`Declarations.draw_3d`; None where its 3D layers are carried from 2D."""
    return getattr(method, "draw_3d", None)


def head_learners(method: Method) -> tuple[str, ...] | None:
    """A method's :attr:`Declarations.learns`; None where it does not say.

    Raises:
        ConversionError: If it is no sequence of names.
    """
    declared = getattr(method, "learns", None)
    if declared is None:
        return None
    if isinstance(declared, str) or not all(isinstance(name, str) and name for name in declared):
        msg = (
            f"method {method.name!r}: learns (={declared!r}) must be a sequence of names in its "
            'layers, such as ("mixing",)'
        )
        raise ConversionError(msg)
    return tuple(declared)


def kernel_axes(method: Method) -> dict[str, tuple[int, ...]] | None:
    """A method's :attr:`Declarations.kernels`, a tuple of axes each; None where it does not say.

    Raises:
        ConversionError: If it does not map names to axes.
    """
    declared = getattr(method, "kernels", None)
    if declared is None:
        return None
    if not isinstance(declared, Mapping) or not all(map(_are_axes, declared.values())):
        msg = (
            f"method {method.name!r}: kernels (={declared!r}) must map the names of kernels in "
            'its layers to the axes of their output channels, such as {"weight": 0}'
        )
        raise ConversionError(msg)
    return {
        str(name): (axes,) if isinstance(axes, int) else tuple(axes)
        for name, axes in declared.items()
    }


def _are_axes(axes: object) -> bool:
    one = isinstance(axes, int)
    return one or (
        isinstance(axes, tuple) and len(axes) > 0 and all(isinstance(each, int) for each in axes)
    )


@runtime_checkable
class Observer(Protocol):
    """What layers of one kind tell of themselves when ``crossbench run --diagnostics`` asks.

    A package registers the class under the entry point group ``crossbench.observers``. Nothing
    here changes a run or its record: the network is fitted and tested by then.

    Attributes:
        layer: The kind of layer that is looked into, wherever a network has it.
    """

    layer: type[nn.Module]

    def measure(self, layer: nn.Module, inputs: Tensor) -> Mapping[str, Tensor]:
        """What the layer makes of each sample.

        Args:
            layer: The layer, in evaluation mode.
            inputs: Its input for one batch, (B, C_in, *spatial).

        Returns:
            Small arrays by name, (B, ...), the same names for every batch.
        """
        ...

    def picture(self, layer: nn.Module, measured: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """What is worth drawing for a few samples.

        Args:
            layer: The layer.
            measured: The first rows of what ``measure`` returned, for S samples.

        Returns:
            Small arrays of any shape, under names of their own.
        """
        ...


def cube(argument: str, value: Number | Sequence[Number]) -> Number:
    """What a geometry argument says for both 2D axes, to be used for the third as well.

    Args:
        argument: Its name, for the message: ``"kernel_size"``, ``"stride"``.
        value: One number, or one for each axis.

    Raises:
        ConversionError: If the axes differ, so that the third is not determined.
    """
    sides = set(value) if isinstance(value, Sequence) else {value}
    if len(sides) != 1:
        msg = f"{argument} {value} differs between the axes, which leaves the third one open"
        raise ConversionError(msg)
    return sides.pop()
