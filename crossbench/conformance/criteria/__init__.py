"""Criteria: the demands on a method, a family a module; torch is imported with the list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossbench.conformance.interface import Criterion

#: The criterion that a method runs at all: where it does not, no other is tried.
FIRST = "runs"


def criteria() -> tuple[Criterion, ...]:
    """Every criterion, in the order in which they are tried."""
    from crossbench.conformance.criteria import (
        adapting,
        carrying,
        learning,
        numerics,
        repeating,
        running,
        shapes,
    )

    families = (running, shapes, carrying, learning, repeating, numerics, adapting)
    return tuple(criterion for family in families for criterion in family.CRITERIA)
