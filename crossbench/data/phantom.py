"""Phantoms: synthetic twins of tasks whose data must be downloaded.

A phantom shows that the machinery works; a number measured on one means nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.inputs import kind_of
from crossbench.files import cache

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs import TaskCard

_RECIPE = 2  # raise when the bytes of any phantom change


def phantom_path(card: TaskCard, cache_dir: Path) -> Path:
    """Path of a task's phantom; it changes with the recipe and the card's facts."""
    facts = [
        _RECIPE, card.name, card.kind, card.shape, card.channels, card.intensity,
        len(card.classes), card.class_counts, card.group is not None,
    ]  # fmt: skip
    if card.input:
        facts.append(card.input)
    return cache.entry(cache_dir / "phantoms", facts, ".npz")


def phantom_file(card: TaskCard, cache_dir: Path) -> Path:
    """The task's phantom as an npz file in the authors' format, made if it is not there."""
    file = phantom_path(card, cache_dir)
    if not file.is_file():
        arrays = kind_of(card).phantom(card)
        cache.store(file, lambda draft: _write(draft, arrays))
    return file


def _write(draft: Path, arrays: dict[str, NDArray[Any]]) -> None:
    with draft.open("wb") as stream:  # savez would give another name an ending
        np.savez(stream, **arrays)  # type: ignore[arg-type]  # no array is named allow_pickle
