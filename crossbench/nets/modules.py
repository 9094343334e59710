"""Replacing the modules of a network, with errors that name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import ConversionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


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
