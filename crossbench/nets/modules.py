"""Replacing the modules of a network, with errors that name them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal

from torch import nn

from crossbench.errors import ConversionError
from crossbench.errors.foreign import message_of, show
from crossbench.methods import LayerPlace

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.methods import Convolution

Form = Literal["layer_2d", "layer_3d"]

#: A layer without a network.
ALONE = LayerPlace()


def asks_place(method: Convolution, form: Form) -> bool:
    """Whether one of a method's two functions wants to know where its layer stands."""
    return "place" in inspect.signature(getattr(method, form)).parameters


def layer_of(
    method: Convolution, form: Form, module: nn.Module, place: LayerPlace = ALONE
) -> nn.Module:
    """A method's 2D or 3D layer, checked to be a module.

    Args:
        method: The method.
        form: Which of its two functions is asked.
        module: What is handed to it.
        place: Where the layer stands, for a method that asks.

    Raises:
        ConversionError: As raised by the method, or if it does not implement the function or
            returns something else.
    """
    try:
        wanted = {"place": place} if asks_place(method, form) else {}
        layer: object = getattr(method, form)(module, **wanted)
    except NotImplementedError as error:
        why = f": {said}" if (said := message_of(error)) else ""
        msg = f"method {method.name!r} does not implement {form} for it{why}"
        raise ConversionError(msg) from error
    if not isinstance(layer, nn.Module):
        msg = f"{form} of method {method.name!r} returned {show(layer)}, which is no module"
        raise ConversionError(msg)
    return layer


def replace_modules(
    network: nn.Module, replacement: Callable[[str, nn.Module], nn.Module | None]
) -> dict[str, nn.Module]:
    """Replace modules in place; what lies inside a replaced module is not visited.

    Args:
        network: The network.
        replacement: From a module's name and the module to what takes its place, or to None
            where it stays. A module that is used twice is asked for once and stays one module.

    Returns:
        The replacements by name.

    Raises:
        ConversionError: As raised by ``replacement``, the module's name put before it.
    """
    replaced: dict[str, nn.Module] = {}
    answers: dict[nn.Module, nn.Module | None] = {}
    for name, module in list(network.named_modules(remove_duplicate=False)):
        if name.startswith(tuple(f"{outer}." for outer in replaced)):
            continue
        if module not in answers:
            try:
                answers[module] = replacement(name, module)
            except ConversionError as error:
                msg = f"{name} ({type(module).__name__}): {error}"
                raise ConversionError(msg) from error
        answer = answers[module]
        if answer is not None:
            network.set_submodule(name, answer)
            replaced[name] = answer
    return replaced


def classifier(network: nn.Module) -> nn.Module | None:
    """The head of a network that names it as timm's do, which is always learnt anew."""
    return network.get_classifier() if hasattr(network, "get_classifier") else None  # type: ignore[operator]


def classifier_names(network: nn.Module) -> tuple[str, ...]:
    """The names of a network's head, of which there is one."""
    head = classifier(network)
    named = network.named_modules(remove_duplicate=False)
    return () if head is None else tuple(name for name, module in named if module is head)
