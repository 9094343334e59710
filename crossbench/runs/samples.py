"""Samples of a task under a preset: which data, which folds."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Literal

from crossbench.data.sources import open_task
from crossbench.data.splits import Split, make_splits
from crossbench.data.subset import subset
from crossbench.environment.arithmetic import derive_seed
from crossbench.registry.tasks import registered_task

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.data.dataset import Dataset
    from crossbench.specs import Preset, TaskCard


def open_samples(card: TaskCard, preset: Preset, data_dir: Path, cache_dir: Path) -> Dataset:
    """The task's samples from the source that the preset names."""
    return open_task(
        card,
        data=choose_data(card, preset),
        data_dir=data_dir,
        cache_dir=cache_dir,
    )


def choose_data(card: TaskCard, preset: Preset) -> Literal["real", "phantom"]:
    """Which data a preset means for a card.

    Phantoms stand in for what a user would have to download; a card of the user's own has
    its data at hand.
    """
    return "real" if registered_task(card.name) is None else preset.data


def draw_splits(preset: Preset, dataset: Dataset) -> list[Split]:
    """The preset's folds over the samples it uses, as indices into the dataset.

    What is to be known of the data is said on each of them.
    """
    return [
        dataclasses.replace(split, warnings=(*dataset.warnings, *split.warnings))
        for split in _drawn(preset, dataset)
    ]


def _drawn(preset: Preset, dataset: Dataset) -> list[Split]:
    limit = preset.input.max_samples
    strata = dataset.labels if dataset.strata is None else dataset.strata
    if limit is None or limit >= len(dataset):
        return make_splits(preset.split, strata, dataset.groups, dataset.official, dataset.site)
    seed = derive_seed("subset", limit)
    split = preset.split
    least = split.folds + 1 if split.scheme == "standard" else 1  # a test part, and both others
    chosen = subset(strata, dataset.groups, limit, seed % 2**32, least_groups=least)
    parts = make_splits(
        preset.split,
        strata[chosen],
        None if dataset.groups is None else dataset.groups[chosen],
        None if dataset.official is None else dataset.official[chosen],
        None if dataset.site is None else dataset.site[chosen],
    )
    return [
        dataclasses.replace(
            part, train=chosen[part.train], val=chosen[part.val], test=chosen[part.test]
        )
        for part in parts
    ]
