"""Samples of two tasks as one dataset: those that are tested, and behind them those that fit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crossbench.data.content import Stored
from crossbench.data.inputs import kind_of
from crossbench.errors import DataError
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.specs import DataSource, TaskCard


def join(card: TaskCard, datasets: Sequence[Dataset]) -> Dataset:
    """The samples of a task, the tested ones first; the one dataset of a task that is no cross.

    Samples are copied into memory. Their covariates are those that both tasks have; sites are
    left out, for those of two tasks are not the same where their names are.

    Args:
        card: The task.
        datasets: The samples of each of its parts.

    Raises:
        DataError: If one network cannot be fed the samples of both, or one alone is a phantom.
    """
    if len(datasets) == 1:
        return datasets[0]
    names = [part.name for part in card.parts]
    own, other = map(kind_of, card.parts)
    tested, fitted = datasets
    units = _units(tested.as_stored, fitted.as_stored)
    covariates = [each for each in tested.covariate_names if each in fitted.covariate_names]
    return replace(
        tested,
        images=own.joined(tested.images, other, fitted.images, where=card.name),
        labels=np.concatenate([tested.labels, fitted.labels]),
        groups=units.groups,
        official=None,
        covariate=_both(tested.covariate, fitted.covariate),
        source=_source(tested, fitted, card.name),
        content_hash=hash_json([tested.content_hash, fitted.content_hash]),
        site=None,
        covariates=_both(_columns(tested, covariates), _columns(fitted, covariates)),
        covariate_names=tuple(covariates),
        strata=None,
        intensity=_range(tested, fitted),
        warnings=tuple(
            f"{name}: {warning}"
            for name, dataset in zip(names, datasets, strict=True)
            for warning in dataset.warnings
        ),
        stored=units.stored,
        members=units.stored.members,
        origin=tested.origin | ({"fitted_on": fitted.origin} if fitted.origin else {}),
        watch=None,
        parts=(tested, fitted),
    )


def _source(tested: Dataset, fitted: Dataset, name: str) -> DataSource:
    found = tested.source, fitted.source
    if "phantom" in found and found[0] != found[1]:
        msg = f"task {name!r} would be tested on {found[0]} and fitted on {found[1]} data"
        raise DataError(f"{msg}; choose a preset that reads real data, or two tasks of phantoms")
    return found[0] if found[0] == found[1] else "real"


def _both(one: NDArray[Any] | None, other: NDArray[Any] | None) -> NDArray[Any] | None:
    return None if one is None or other is None else np.concatenate([one, other])


def _columns(dataset: Dataset, names: Sequence[str]) -> NDArray[np.float64] | None:
    """(N, C) covariates of these names; None for none."""
    if dataset.covariates is None or not names:
        return None
    return dataset.covariates[:, [dataset.covariate_names.index(name) for name in names]]


def _range(tested: Dataset, fitted: Dataset) -> tuple[float, float] | None:
    if tested.intensity is None or fitted.intensity is None:
        return None
    (low, high), (lowest, highest) = tested.intensity, fitted.intensity
    return min(low, lowest), max(high, highest)


# ------------------------------------------------------------------------------- groups


class _Units(NamedTuple):
    """The groups of both datasets' samples under one numbering, and what their files hold."""

    groups: NDArray[np.int64] | None
    stored: Stored


def _units(tested: Stored, fitted: Stored) -> _Units:
    """Where one file has groups, each sample of the other is a group of its own."""
    rows = np.concatenate([tested.rows, fitted.rows + len(tested)])
    images = (*tested.images, *fitted.images)
    if tested.groups is None and fitted.groups is None:
        return _Units(None, Stored(images=images, groups=None, rows=rows))
    own, others = _codes(tested), _codes(fitted)
    groups = np.concatenate([own, others + own.max() + 1])
    members = None
    if tested.members is not None or fitted.members is not None:
        members = np.concatenate([_members(tested, own), _members(fitted, others)])
    return _Units(groups[rows], Stored(images=images, groups=groups, rows=rows, members=members))


def _codes(stored: Stored) -> NDArray[np.int64]:
    return np.arange(len(stored)) if stored.groups is None else stored.groups


def _members(stored: Stored, codes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """(G,) hashes of groups, 0 where they are of no cohort."""
    return np.zeros(codes.max() + 1, np.uint64) if stored.members is None else stored.members
