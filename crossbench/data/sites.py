"""Sites of acquisition in splits: kept in proportion, or left out one by one."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import SplitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NAMED = 5  # sites in a note


def stratify(
    labels: NDArray[np.int64],
    site: NDArray[np.str_],
    groups: NDArray[np.int64] | None,
    folds: int,
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Strata of label and site; those of a label that are too rare for the folds are one.

    Args:
        labels: (N,) class of each sample.
        site: (N,) name of each sample's site.
        groups: (N,) group of each sample; None makes each its own.
        folds: In how many groups a stratum must be to stand alone.

    Returns:
        (N,) codes, and a note where strata were joined.
    """
    units = np.arange(len(labels)) if groups is None else groups
    names, sites = np.unique(site, return_inverse=True)
    strata = labels * (len(names) + 1) + sites
    joined: defaultdict[int, list[str]] = defaultdict(list)
    for stratum in np.unique(strata).tolist():
        own = strata == stratum
        if len(np.unique(units[own])) < folds:
            label, place = divmod(stratum, len(names) + 1)
            strata[own] = label * (len(names) + 1) + len(names)
            joined[label].append(str(names[place]))
    return strata, tuple(_note(label, rare, folds) for label, rare in joined.items())


def _note(label: int, rare: list[str], folds: int) -> str:
    which = ", ".join(map(repr, rare[:_NAMED])) + (", ..." if len(rare) > _NAMED else "")
    sites = "site" if len(rare) == 1 else "sites"
    msg = f"class {label} has fewer than {folds} samples or groups at {sites} {which}"
    return f"{msg}: folds keep these together in proportion, and not each"


def left_out(
    labels: NDArray[np.int64], site: NDArray[np.str_] | None, folds: int
) -> tuple[list[tuple[str, NDArray[np.int64], NDArray[np.int64]]], tuple[str, ...]]:
    """Sites that are left out in turn, each with the ascending indices of the rest and its own.

    A site of one class is never left out, for nothing could be told of it; it is in every rest.

    Returns:
        The sites in the order of their names, and a note on those of one class.

    Raises:
        SplitError: If samples have no sites, fewer than two can be left out, or their number is
            not that of the folds.
    """
    if site is None:
        msg = "the data has no sites; choose scheme 'standard', or give its file an array 'site'"
        raise SplitError(msg)
    names = np.unique(site).tolist()
    classes = {name: np.unique(labels[site == name]) for name in names}
    tested = [name for name in names if len(classes[name]) > 1]
    single = [name for name in names if name not in tested]
    said = ", ".join(f"{name!r} has class {classes[name][0]} alone" for name in single)
    if len(names) < 2 or not tested:
        msg = f"{len(names)} sites, {len(tested)} of them with two classes or more, make no folds"
        raise SplitError(f"{msg} of sites ({said or names[0]!r}); choose scheme 'standard'")
    if len(tested) != folds:
        msg = f"scheme 'leave-site-out' has a fold for each of the {len(tested)} sites with two"
        msg = f"{msg} classes or more, not {folds}; ask for split.folds={len(tested)}"
        raise SplitError(f"{msg} ({said})" if said else msg)
    notes = (f"sites of one class are trained on and never tested: {said}",) if single else ()
    parts = [(name, np.flatnonzero(site != name), np.flatnonzero(site == name)) for name in tested]
    return parts, notes
