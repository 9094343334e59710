"""Samples of a task under a preset: which data, which folds."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Literal

import numpy as np

from crossbench.data.cross import join
from crossbench.data.sources import open_task
from crossbench.data.splits import Labelled, Split, make_splits
from crossbench.data.subset import subset
from crossbench.environment.arithmetic import derive_seed
from crossbench.registry.tasks import registered_task

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.specs import Preset, TaskCard


def open_samples(card: TaskCard, preset: Preset, data_dir: Path, cache_dir: Path) -> Dataset:
    """The task's samples from the source that the preset names.

    Raises:
        DataError: If they are missing, damaged, or not of one form with those that are fitted.
    """
    datasets = [
        open_task(part, data=choose_data(part, preset), data_dir=data_dir, cache_dir=cache_dir)
        for part in card.parts
    ]
    return join(card, datasets)


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
    parts = dataset.parts or (dataset,)
    chosen = [_chosen(preset, part) for part in parts]
    tested, *fitted = map(_labelled, parts, chosen)
    starts = [0, *itertools.accumulate(map(len, parts))]
    places = np.concatenate([start + index for start, index in zip(starts, chosen, strict=False)])
    return [
        dataclasses.replace(
            split, train=places[split.train], val=places[split.val], test=places[split.test]
        )
        for split in make_splits(preset.split, *tested, fitted=fitted[0] if fitted else None)
    ]


def _chosen(preset: Preset, dataset: Dataset) -> NDArray[np.int64]:
    """The samples that the preset uses of a data file, as ascending indices."""
    limit, split = preset.input.max_samples, preset.split
    if limit is None:
        return np.arange(len(dataset))
    seed = derive_seed("subset", limit)
    least = split.folds + 1 if split.scheme == "standard" else 1  # a test part, and both others
    strata = _strata(dataset)
    return subset(strata, dataset.groups, limit, seed % 2**32, least_groups=least)


def _labelled(dataset: Dataset, index: NDArray[np.int64]) -> Labelled:
    """What splits of some samples are drawn by."""
    groups, official, site = dataset.groups, dataset.official, dataset.site
    return Labelled(
        labels=_strata(dataset)[index],
        groups=None if groups is None else groups[index],
        official=None if official is None else official[index],
        site=None if site is None else site[index],
    )


def _strata(dataset: Dataset) -> NDArray[np.int64]:
    return dataset.labels if dataset.strata is None else dataset.strata
