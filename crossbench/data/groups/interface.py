"""The interface of a grouping: from a publisher's tables to a group of each sample."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from crossbench.errors import DataError
from crossbench.errors.foreign import contained
from crossbench.registry.entries import GROUPING_GROUP, points

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from crossbench.data.formats.tables import Table
    from crossbench.specs import TaskCard


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Identity of the samples of a data file.

    Attributes:
        file: The file.
        count: Number of samples N.
        official: (N,) 0 train, 1 validation, 2 test; None where there is no official split.
        ids: Original identifiers, of which an imported file has one a sample; None otherwise.
    """

    file: Path
    count: int
    official: NDArray[np.int8] | None
    ids: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class Grouped:
    """A group of each sample.

    Attributes:
        groups: N identifiers.
        source: Where they are from, in words.
        notes: What was assumed.
    """

    groups: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()


class Grouping(ABC):
    """The groups that a publisher's tables, or a publisher's identifiers, tell.

    A package registers a subclass under the entry point group ``crossbench.groupings``.

    Attributes:
        name: Registry name.
    """

    name: ClassVar[str]

    @abstractmethod
    def applies(self, card: TaskCard) -> bool:
        """Whether the grouping is for a task."""

    @abstractmethod
    def steps(self, card: TaskCard) -> tuple[str, ...]:
        """Steps for a person to get the tables, each named with its source."""

    def wants(self, tables: Sequence[Table]) -> bool:  # noqa: ARG002
        """Whether some of the tables are of this style, told by their columns."""
        return False

    def of_tables(self, card: TaskCard, samples: Samples, tables: Sequence[Table]) -> Grouped:
        """Groups from tables that it wants.

        Raises:
            DataError: If a table lacks a sample or has one twice, an identifier is of an unknown
                style, or a table is missing; the message names it and its source.
        """
        raise NotImplementedError(f"{self.name} reads no tables")

    def of_ids(self, card: TaskCard, samples: Samples) -> Grouped | None:  # noqa: ARG002
        """Groups from the original identifiers; None where they are not of this style."""
        return None


@cache
def groupings() -> tuple[Grouping, ...]:
    """The groupings that packages register under ``crossbench.groupings``.

    Raises:
        RequestError: If one cannot be imported.
    """
    made: list[Any] = []
    for point in points(GROUPING_GROUP):
        with contained(f"grouping {point.entry.name!r} of {point.distribution} cannot be made"):
            made.append(point.entry.load()())
    return tuple(made)


def looked_up(
    keys: Sequence[str], known: Mapping[str, str], *, table: Path, what: str
) -> tuple[str, ...]:
    """The values of keys.

    Raises:
        DataError: If some are not known; the message says how many and names the first.
    """
    lacking = [key for key in keys if key not in known]
    if lacking:
        msg = f"{table}: {len(lacking)} of {len(keys)} samples are in no row, such as {what}"
        raise DataError(f"{msg} {lacking[0]!r}; take the table that belongs to the data file")
    return tuple(known[key] for key in keys)
