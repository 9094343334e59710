"""Input kinds: what samples of one form are and how networks are fed them, one kind a module."""

from __future__ import annotations

from functools import cache

from crossbench.data.inputs.interface import InputKind
from crossbench.errors import RequestError
from crossbench.errors.foreign import contained
from crossbench.registry.inputs import find_input_entry

__all__ = ["InputKind", "find_kind"]


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
