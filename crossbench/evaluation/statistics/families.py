"""Correction of p values over a declared family, and what may be drawn from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics.inputs import finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

Name = TypeVar("Name")


def holm(p_values: Mapping[Name, float]) -> dict[Name, float]:
    """Holm's step-down adjustment of a family of p values.

    Example:
        >>> holm({"first task": 0.01, "second task": 0.04})
        {'first task': 0.02, 'second task': 0.04}

    Args:
        p_values: Unadjusted p by name of the hypothesis.

    Returns:
        Adjusted p by name; a hypothesis is rejected at level a where its value is <= a.

    Raises:
        StatisticsError: The family is empty, or a p is not in [0, 1].

    Source:
        Holm, Scandinavian Journal of Statistics 6 (1979).
    """
    family = finite(list(p_values.values()), "the family of p values")
    if family.min() < 0 or family.max() > 1:
        raise StatisticsError(f"p values lie in [{family.min():g}, {family.max():g}], not [0, 1]")
    # Not by statsmodels, with which comes scipy.stats: two seconds at every start that tests.
    values = np.array(list(p_values.values()), dtype=np.float64)  # not rounded, as `family` is
    order = np.argsort(values)
    stepped = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return dict(zip(p_values, adjusted.tolist(), strict=True))


def rejected(p_values: Mapping[Name, float], alpha: float) -> set[Name]:
    """Hypotheses that Holm's adjustment rejects at level ``alpha``.

    Example:
        >>> rejected({"first task": 0.03, "second task": 0.04}, alpha=0.05)
        set()
    """
    if min(p_values.values(), default=1.0) > alpha:
        return set()  # as the adjusted ones are, which are no smaller
    return {name for name, p in holm(p_values).items() if p <= alpha}


def groups_of(
    names: Sequence[str], apart: AbstractSet[frozenset[str]]
) -> tuple[tuple[str, ...], ...]:
    """Largest sets of two or more names of which no pair is apart.

    Args:
        names: All names, the best first.
        apart: Pairs of names that are told apart.

    Source:
        Bron and Kerbosch, Communications of the ACM 16 (1973).
    """
    near = {
        name: {other for other in names if other != name and frozenset({name, other}) not in apart}
        for name in names
    }

    def grow(chosen: set[str], left: set[str], done: set[str]) -> Iterator[set[str]]:
        if not left and not done:
            yield chosen
        for name in sorted(left, key=names.index):
            yield from grow(chosen | {name}, left & near[name], done & near[name])
            left, done = left - {name}, done | {name}

    found = [sorted(each, key=names.index) for each in grow(set(), set(names), set())]
    ordered = sorted(found, key=lambda each: [names.index(name) for name in each])
    return tuple(tuple(each) for each in ordered if len(each) > 1)
