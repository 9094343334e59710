"""Tracks: fixed grids of runs, named once and versioned, for submissions that can be compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta

from crossbench.specs.cards import KEBAB_CASE
from crossbench.specs.limits import MOST_SEEDS, Count, Seed
from crossbench.specs.reader import Demand
from crossbench.specs.settings import RANDOM

_MOST = 100
_Names = Annotated[
    tuple[str, ...], Meta(min_length=1, max_length=_MOST, description=f"an array of 1 to {_MOST}")
]
_Seeds = Annotated[
    tuple[Seed, ...],
    Meta(min_length=1, max_length=MOST_SEEDS, description=f"an array of 1 to {MOST_SEEDS}"),
]


@dataclass(frozen=True, kw_only=True)
class Track:
    """What is run for a submission: every fold of every task, under each protocol and init.

    Attributes:
        name: Registry name.
        version: Raised with every change; submissions of two versions are not compared.
        title: One line for people.
        tasks: Registered tasks; a method is run on those whose kind of input it takes.
        preset: Settings, none of them overridden.
        protocols: How networks are fitted.
        inits: What they start from.
        seeds: Repetitions, each over all folds of the preset.
        backbone: timm name of the 2D network.
    """

    name: str
    version: Count
    title: str
    tasks: _Names
    preset: str
    protocols: _Names
    seeds: _Seeds
    inits: _Names = (RANDOM,)
    backbone: str = "resnet18"

    @property
    def label(self) -> str:
        """Name and version, as bundles and boards show it: ``evening v1``."""
        return f"{self.name} v{self.version}"

    def demands(self) -> Iterator[Demand]:
        """What must hold beyond types."""
        yield "name", KEBAB_CASE.fullmatch(self.name), "it must be in kebab case"
        for key in ("tasks", "protocols", "inits", "seeds"):
            values = getattr(self, key)
            yield key, len(set(values)) == len(values), "each may stand there once"
