"""A file against its card: what contradicts it, and what may not be what it is taken for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.inputs import kind_of
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

_SLACK = 0.01  # of the stated range, by which resampling may overshoot it
_LEAST_USED = 0.5  # of the stated range; what uses less was scaled otherwise


@dataclass(frozen=True)
class Fact:
    """A fact that a card states, and whether the file agrees.

    Attributes:
        name: Key of the card, such as ``shape (H, W)``.
        holds: Whether the file agrees.
        said: Both values in words.
    """

    name: str
    holds: bool
    said: str


def facts(
    card: TaskCard,
    *,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    span: tuple[float, float],
    digests: Mapping[str, str],
) -> Iterator[Fact]:
    """Facts that a card states of its file, each compared with the file.

    Args:
        card: The card; what it leaves out is not compared.
        images: (N, C, *spatial).
        labels: (N,) in [0, K).
        span: Lowest and highest value.
        digests: The file's own, for every algorithm that the card names.
    """
    for algorithm, digest in card.checksum.items():
        yield _fact(digests[algorithm], digest.lower(), f"checksum.{algorithm}", card)
    axes = kind_of(card).axes
    order = (card.source.axes or axes) if images.ndim == 2 + len(card.source.axes or axes) else axes
    shape = [images.shape[2 + axes.index(letter)] for letter in order]
    if card.shape is not None:
        yield _fact(shape, list(card.shape), f"shape ({', '.join(order)})", card)
    if card.channels is not None:
        yield _fact(images.shape[1], card.channels, "channels", card)
    counts = np.bincount(labels, minlength=len(card.classes)).tolist()
    if card.class_counts is not None and not _another_release(card, len(labels)):
        yield _fact(counts, list(card.class_counts), "class_counts", card)
    if card.intensity is not None:
        low, high = card.intensity
        slack, used = _SLACK * (high - low), span[1] - span[0]
        within = low - slack <= span[0] and span[1] <= high + slack
        fits = within and used >= _LEAST_USED * (high - low)
        yield _fact([*span], [low, high], "intensity", card, holds=fits)


def check_facts(stated: Iterable[Fact], *, where: str) -> None:
    """Refuse a file that is not what its card says, naming the values of both.

    Raises:
        DataError: For the first fact that the file, named by ``where``, contradicts.
    """
    for fact in stated:
        if not fact.holds:
            msg = (
                f"{where}: {fact.said}; get the file that the card is of, or correct the card (for"
                " a registered one, in a copy of your own)"
            )
            raise DataError(msg)


def notes(card: TaskCard, images: NDArray[Any], *, grouped: bool) -> tuple[str, ...]:
    """Notes for readers of results on arrays that may not be what they are taken for.

    Args:
        card: The card.
        images: (N, C, *spatial) as later stages see them.
        grouped: Whether the file has groups.
    """
    found = [] if card.source.axes else [*kind_of(card).doubts(images)]
    if card.group is not None and not grouped:
        msg = f"ungrouped: the card says group = {card.group!r}, but the file has no array 'groups'"
        found.append(f"{msg}; samples of one {card.group} may lie on both sides of a split")
    return tuple(found)


def _another_release(card: TaskCard, samples: int) -> bool:
    """Whether the file has another of the published numbers than the class counts add up to."""
    return samples in card.samples.values() and samples != sum(card.class_counts or ())


def _fact(
    found: object, stated: object, name: str, card: TaskCard, *, holds: bool | None = None
) -> Fact:
    holds = found == stated if holds is None else holds
    if holds:
        return Fact(name, holds, f"{name} is {found}, as the card says")
    return Fact(name, holds, f"{name} is {found}, but card {card.name!r} says {stated}")
