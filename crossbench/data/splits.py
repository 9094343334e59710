"""Division of samples into training, validation and test parts."""

from __future__ import annotations

import dataclasses
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

from crossbench.data.formats.npz import content_hash
from crossbench.data.sites import left_out, stratify
from crossbench.data.subset import draw_share, subset
from crossbench.errors import SplitError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from crossbench.specs import SplitSettings

    Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One fold of one repetition, as explicit indices.

    Attributes:
        seed: Seed of the repetition.
        fold: Number of the fold, from 0.
        train: (n,) int64 ascending indices that are fitted.
        val: Those that select the epoch.
        test: Those that are scored.
        grouped: Whether groups were known and none is in two parts.
        warnings: What a reader of the result should know.
    """

    seed: int
    fold: int
    train: Indices
    val: Indices
    test: Indices
    grouped: bool
    warnings: tuple[str, ...] = ()

    @property
    def content_hash(self) -> str:
        """SHA-256 over the three index arrays."""
        return content_hash({"train": self.train, "val": self.val, "test": self.test})


class Labelled(NamedTuple):
    """What splits are drawn by.

    Attributes:
        labels: (N,) class of each sample.
        groups: (N,) patient (or lesion, scan) of each sample, where known.
        official: (N,) 0 train, 1 validation, 2 test, where the publisher has a split.
        site: (N,) name of the site of each sample, where known.
    """

    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None
    official: NDArray[np.int8] | None = None
    site: NDArray[np.str_] | None = None


def make_splits(
    settings: SplitSettings,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None = None,
    official: NDArray[np.int8] | None = None,
    site: NDArray[np.str_] | None = None,
    *,
    fitted: Labelled | None = None,
) -> list[Split]:
    """The splits that the settings ask for, seed by seed and fold by fold.

    - ``paper``: shuffled k-fold, neither stratified nor grouped; the first share of the
      ascending training indices validates, as in the authors' scripts.
    - ``standard``: stratified k-fold that keeps groups whole where there are any. About
      the share of the training part, drawn stratified and in whole groups, validates.
      Strata are the classes, at each site by itself where sites are known.
    - ``leave-site-out``: each site with two classes or more is tested in turn; of the others,
      a share, drawn stratified and in whole groups, validates.
    - ``official``: the publisher's parts, the same for every seed.

    Where other samples are fitted, these give the folds' test parts alone, so that runs are paired
    with those that are fitted on these. All of the others are fitted but for the share, drawn
    stratified and in whole groups for each seed, that validates.

    Args:
        settings: Scheme, folds, seeds and the share that validates.
        labels: (N,) class of each sample.
        groups: (N,) patient (or lesion, scan) of each sample, where known.
        official: (N,) 0 train, 1 validation, 2 test, where the publisher has a split.
        site: (N,) name of the site of each sample, where known.
        fitted: The samples that are fitted in the place of these, whose indices begin at N.

    Raises:
        SplitError: If there are too few samples, groups or members of every class, if a
            training or test part has one class, or if there is no official split, or not as
            many sites as folds.
    """
    folds = 1 if settings.scheme == "official" else settings.folds
    _check_settings(settings, folds)
    if settings.scheme == "paper":
        splits = _paper(settings, labels)
    elif settings.scheme == "standard":
        splits = _standard(settings, labels, groups, site)
    elif settings.scheme == "leave-site-out":
        splits = _leave_site_out(settings, labels, groups, site)
    else:
        splits = _official(settings, groups, official)
    if fitted is not None:
        splits = _fitted_elsewhere(splits, settings, fitted, start=len(labels))
        unlike = np.full(len(labels), -1)  # in no part that is limited by groups
        groups = None if fitted.groups is None else np.concatenate([unlike, fitted.groups])
        labels = np.concatenate([labels, fitted.labels])
    wanted = settings.run_folds or range(folds)
    return [
        _checked(_limited(split, settings, labels, groups), labels)
        for split in splits
        if split.fold in wanted
    ]


# -------------------------------------------------------------------------- schemes


def _paper(settings: SplitSettings, labels: NDArray[np.int64]) -> Iterator[Split]:
    _check_enough(len(labels), "samples", settings.folds)
    for seed in settings.seeds:
        drawn = KFold(settings.folds, shuffle=True, random_state=seed).split(labels)
        for fold, (rest, test) in enumerate(drawn):
            cut = int(settings.validation * len(rest))
            yield Split(
                seed=seed, fold=fold, train=rest[cut:], val=rest[:cut], test=test, grouped=False
            )


def _standard(
    settings: SplitSettings,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    site: NDArray[np.str_] | None,
) -> Iterator[Split]:
    folds, notes = settings.folds, _rare_classes(labels, groups, settings.folds)
    strata = labels
    if site is not None:
        strata, joined = stratify(labels, site, groups, folds)
        notes = (*notes, *joined)
    for seed in settings.seeds:
        for fold, (rest, test) in enumerate(_stratified(strata, groups, folds, seed)):
            if settings.run_folds and fold not in settings.run_folds:
                continue  # drawing what validates takes most of the time
            split = _validated(settings, strata, groups, seed, fold, rest, test)
            yield dataclasses.replace(split, warnings=notes)


def _validated(
    settings: SplitSettings,
    strata: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    seed: int,
    fold: int,
    rest: Indices,
    test: Indices,
) -> Split:
    """The fold, whose rest is divided into what is fitted and a share that validates."""
    own = None if groups is None else groups[rest]
    val = draw_share(strata[rest], own, settings.validation, seed)
    return Split(
        seed=seed,
        fold=fold,
        train=np.delete(rest, val),
        val=rest[val],
        test=test,
        grouped=groups is not None,
    )


def _leave_site_out(
    settings: SplitSettings,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    site: NDArray[np.str_] | None,
) -> Iterator[Split]:
    parts, notes = left_out(labels, site, settings.folds)
    (seed,) = settings.seeds
    for fold, (name, others, test) in enumerate(parts):
        rest = others
        said = f"tested on site {name!r}"
        if groups is not None and (both := np.isin(groups[others], groups[test])).any():
            said = f"{said}, and not trained on {both.sum()} samples elsewhere of its groups"
            rest = others[~both]
        split = _validated(settings, labels, groups, seed, fold, rest, test)
        yield dataclasses.replace(split, warnings=(*notes, said))


def _fitted_elsewhere(
    splits: Iterable[Split], settings: SplitSettings, fitted: Labelled, *, start: int
) -> Iterator[Split]:
    """The test parts, with other samples to fit, whose indices begin at ``start``."""
    every = np.arange(start, start + len(fitted.labels))
    drawn = {
        seed: draw_share(fitted.labels, fitted.groups, settings.validation, seed)
        for seed in settings.seeds
    }
    for split in splits:
        val = drawn[split.seed]
        yield dataclasses.replace(
            split,
            train=np.delete(every, val),
            val=every[val],
            grouped=split.grouped and fitted.groups is not None,
        )


def _stratified(
    labels: NDArray[np.int64], groups: NDArray[np.int64] | None, folds: int, seed: int
) -> list[tuple[Indices, Indices]]:
    """Stratified k-fold, whole groups where there are any: (rest, fold) ascending indices."""
    if groups is None:
        _check_enough(len(labels), "samples", folds)
        splitter = StratifiedKFold(folds, shuffle=True, random_state=seed)
    else:
        _check_enough(len(np.unique(groups)), "groups", folds)
        splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rare classes are noted on the split
        try:
            return list(splitter.split(labels, labels, groups))
        except ValueError as error:
            msg = f"every class has fewer samples than there are folds ({folds}): {error}"
            raise SplitError(msg) from error


def _official(
    settings: SplitSettings,
    groups: NDArray[np.int64] | None,
    official: NDArray[np.int8] | None,
) -> Iterator[Split]:
    if official is None:
        msg = "the data has no official split; choose scheme 'standard' or 'paper'"
        raise SplitError(msg)
    train, val, test = (np.flatnonzero(official == part) for part in range(3))
    grouped = groups is not None and _disjoint(groups[train], groups[val], groups[test])
    for seed in settings.seeds:
        yield Split(seed=seed, fold=0, train=train, val=val, test=test, grouped=grouped)


def _limited(
    split: Split,
    settings: SplitSettings,
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> Split:
    """The split as it would be if no more were labelled than the settings allow."""
    most = settings.max_labelled
    if most is None:
        return split
    validating = max(2, round(settings.validation * most))
    kept, notes = {}, []
    for name, part, room in (
        ("train", split.train, most - validating),
        ("val", split.val, validating),
    ):
        own = None if groups is None else groups[part]
        kept[name] = chosen = subset(
            labels[part], own, room, split.seed, setting="split.max_labelled"
        )
        if own is not None and (cut := _cut_groups(own, chosen)):
            notes.append(
                f"split.max_labelled = {most} holds no whole group of each class in part {name!r}:"
                f" {cut} of its {len(np.unique(own[chosen]))} groups are labelled in part"
            )
    return dataclasses.replace(
        split,
        train=split.train[kept["train"]],
        val=split.val[kept["val"]],
        warnings=(*split.warnings, *notes),
    )


def _cut_groups(groups: NDArray[np.int64], chosen: Indices) -> int:
    """Number of groups that have some of their samples chosen and some not."""
    rest = np.delete(groups, chosen)
    return len(np.intersect1d(groups[chosen], rest))


def _disjoint(*parts: NDArray[np.int64]) -> bool:
    together = np.concatenate([np.unique(part) for part in parts])
    return len(np.unique(together)) == len(together)


# --------------------------------------------------------------------------- checks


def _check_settings(settings: SplitSettings, folds: int) -> None:
    if not 0 < settings.validation <= 0.5:
        msg = f"validation share {settings.validation} is not above 0 and at most 0.5"
        raise SplitError(msg)
    for seed in settings.seeds:
        if not 0 <= seed < 2**32:
            msg = f"seed {seed} is not in 0..{2**32 - 1}"
            raise SplitError(msg)
    for fold in settings.run_folds:
        if not 0 <= fold < folds:
            msg = f"there is no fold {fold}; scheme {settings.scheme!r} has 0..{folds - 1}"
            raise SplitError(msg)


def _check_enough(number: int, things: str, folds: int) -> None:
    if folds < 2:
        msg = f"{folds} folds cannot be drawn; ask for 2 or more"
        raise SplitError(msg)
    if number < folds:
        msg = f"{number} {things} are fewer than {folds} folds; ask for fewer folds"
        raise SplitError(msg)


def _rare_classes(
    labels: NDArray[np.int64], groups: NDArray[np.int64] | None, folds: int
) -> tuple[str, ...]:
    """Notes on classes that are in fewer units (groups, else samples) than folds."""
    units = np.arange(len(labels)) if groups is None else groups
    things = "samples" if groups is None else "groups"
    found = []
    for label in np.unique(labels).tolist():
        count = len(np.unique(units[labels == label]))
        if count < folds:
            msg = f"class {label} is in {count} {things} for {folds} folds"
            found.append(f"{msg}: some parts lack it")
    return tuple(found)


def _checked(split: Split, labels: NDArray[np.int64]) -> Split:
    where = f"seed {split.seed}, fold {split.fold}"
    for name, part in (("training", split.train), ("validation", split.val), ("test", split.test)):
        if not len(part):
            msg = f"{where}: the {name} part has no samples"
            raise SplitError(msg)
    for name, part in (("training", split.train), ("test", split.test)):
        classes = np.unique(labels[part])
        if len(classes) < 2:
            msg = f"{where}: the {name} part has only class {classes[0]}"
            raise SplitError(msg)
    return dataclasses.replace(split, warnings=(*split.warnings, *_lacking(split, labels)))


def _lacking(split: Split, labels: NDArray[np.int64]) -> list[str]:
    """Which classes are in no sample of a part, one note a part."""
    notes = []
    parts = {"training": split.train, "validation": split.val, "test": split.test}
    every = np.unique(labels)
    for name, part in parts.items():
        classes = np.unique(labels[part])
        lacking = np.setdiff1d(every, classes).tolist()
        if len(classes) == 1:
            notes.append(f"the {name} part has only class {classes[0]}")
        elif lacking:
            which = "class " if len(lacking) == 1 else "classes "
            notes.append(f"the {name} part lacks {which}{', '.join(map(str, lacking))}")
    return notes
