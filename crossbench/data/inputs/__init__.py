"""Input kinds: what samples of one form are and how networks are fed them, one kind a module."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from crossbench.data.inputs.interface import InputKind
from crossbench.errors import RequestError
from crossbench.errors.foreign import contained
from crossbench.registry.inputs import find_input_entry

if TYPE_CHECKING:
    from crossbench.specs import TaskCard

__all__ = ["InputKind", "find_kind", "kind_of"]


@cache
def find_kind(name: str) -> InputKind:
    """The input kind that a package registers under ``crossbench.inputs``.

    Raises:
        RequestError: If no kind has this name, or it cannot be imported.
    """
    point = find_input_entry(name).point
    where = f"input kind {name!r} of {point.distribution}"
    with contained(f"{where} cannot be made from {point.entry.value}"):
        kind = point.entry.load()()
    if not isinstance(kind, InputKind):
        msg = f"{where}: {point.entry.value} is no subclass of crossbench.data.inputs.InputKind"
        raise RequestError(msg)
    return kind


def kind_of(card: TaskCard) -> InputKind:
    """The input kind of a task, under the options on its card.

    Raises:
        RequestError: As :func:`find_kind`.
        CardError: If the card's options are not the kind's.
    """
    return find_kind(card.kind).configured(card.input, where=f"card {card.name!r}")
