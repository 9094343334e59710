"""A file against its card: what contradicts it, and what may not be what it is taken for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.inputs import find_kind
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from crossbench.data.survey import Survey
    from crossbench.specs import TaskCard

_SLACK = 0.01  # of the stated range, by which resampling may overshoot it
_LEAST_USED = 0.5  # of the stated range; what uses less was scaled otherwise


def check_facts(
    card: TaskCard,
    *,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    survey: Survey,
    digests: Mapping[str, str],
    where: str,
) -> None:
    """Refuse a file that is not what its card says, naming the values of both.

    Args:
        card: The card; what it leaves out is not checked.
        images: (N, C, *spatial).
        labels: (N,) in [0, K).
        survey: What the images are like.
        digests: The file's own, for every algorithm that the card names.
        where: The file.

    Raises:
        DataError: For the first fact that the file contradicts.
    """
    for algorithm, digest in card.checksum.items():
        _same(digests[algorithm], digest.lower(), f"checksum.{algorithm}", card, where)
    axes = find_kind(card.kind).axes
    order = (card.source.axes or axes) if images.ndim == 2 + len(card.source.axes or axes) else axes
    shape = [images.shape[2 + axes.index(letter)] for letter in order]
    if card.shape is not None:
        _same(shape, list(card.shape), f"shape ({', '.join(order)})", card, where)
    if card.channels is not None:
        _same(images.shape[1], card.channels, "channels", card, where)
    counts = np.bincount(labels, minlength=len(card.classes)).tolist()
    if card.class_counts is not None and not _another_release(card, len(labels)):
        _same(counts, list(card.class_counts), "class_counts", card, where)
    if card.intensity is not None:
        low, high = card.intensity
        span, found = high - low, (survey.lowest, survey.highest)
        within = low - _SLACK * span <= found[0] and found[1] <= high + _SLACK * span
        if not within or found[1] - found[0] < _LEAST_USED * span:
            _same([*found], [low, high], "intensity", card, where)


def notes(card: TaskCard, images: NDArray[Any], *, grouped: bool) -> tuple[str, ...]:
    """What a reader of results should know of arrays that may not be what they are taken for.

    Args:
        card: The card.
        images: (N, C, *spatial) as later stages see them.
        grouped: Whether the file has groups.
    """
    found = [] if card.source.axes else [*find_kind(card.kind).doubts(images)]
    if card.group is not None and not grouped:
        msg = f"ungrouped: the card says group = {card.group!r}, but the file has no array 'groups'"
        found.append(f"{msg}; samples of one {card.group} may lie on both sides of a split")
    return tuple(found)


def _another_release(card: TaskCard, samples: int) -> bool:
    """Whether the file has another of the published numbers than the class counts add up to."""
    return samples in card.samples.values() and samples != sum(card.class_counts or ())


def _same(found: object, stated: object, fact: str, card: TaskCard, where: str) -> None:
    if found != stated:
        msg = (
            f"{where}: {fact} is {found}, but card {card.name!r} says {stated}; get the file that"
            " the card is of, or correct the card (for a registered one, in a copy of your own)"
        )
        raise DataError(msg)
