"""Readers of the optional attributes of methods."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from crossbench.errors import ConversionError
from crossbench.methods import NetworkMethod

if TYPE_CHECKING:
    from torch import nn

    from crossbench.methods import Convolution, Method


def takes_image_weights(method: Method) -> bool:
    """Whether a method's networks can start from 2D weights."""
    return not isinstance(method, NetworkMethod) or getattr(method, "image_weights", True)


def lifts(method: Method) -> bool:
    """Whether a method's 2D layers carry the weights of the convolutions they replace."""
    return _of_layers(method, "lifts")


def has_own_depth(method: Method) -> bool:
    """Whether a method's 3D layers treat the depth otherwise than the plane."""
    return _of_layers(method, "own_depth")


def _of_layers(method: Method, attribute: str) -> bool:
    """What a convolution declares of its layers; a method of whole networks has none."""
    return not isinstance(method, NetworkMethod) and bool(getattr(method, attribute, False))


def drawing_3d(method: Convolution) -> Callable[[nn.Module], None] | None:
    """A method's ``draw_3d``; None where its 3D layers are carried from 2D."""
    return getattr(method, "draw_3d", None)


def head_learners(method: Method) -> tuple[str, ...] | None:
    """A method's ``learns``; None where undeclared.

    Raises:
        ConversionError: If it is no sequence of names.
    """
    return _names(method, "learns", '("mixing",)')


def dropped(method: Method) -> tuple[str, ...]:
    """A method's ``drops``; none where undeclared.

    Raises:
        ConversionError: As :func:`head_learners`.
    """
    return _names(method, "drops", '("rotation",)') or ()


def _names(method: Method, attribute: str, example: str) -> tuple[str, ...] | None:
    declared = getattr(method, attribute, None)
    if declared is None:
        return None
    if isinstance(declared, str) or not all(isinstance(name, str) and name for name in declared):
        msg = (
            f"method {method.name!r}: {attribute} (={declared!r}) must be a sequence of names in "
            f"its layers, such as {example}"
        )
        raise ConversionError(msg)
    return tuple(declared)


def kernel_axes(method: Method) -> dict[str, tuple[int, ...]] | None:
    """A method's ``kernels``, a tuple of axes each; None where undeclared.

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
