"""Copies and groups across the parts of splits and across classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbench.data.verify.verdict import Finding, listed, named
from crossbench.data.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.data.verify.verdict import Level

    Pairs = NDArray[np.int64]

#: Share of samples that may be tested while a copy of them is trained on, or have a copy of
#: another class, before that is a fault.
TOLERATED = 0.005

_PARTS = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True, eq=False)
class Copies:
    """Pairs of samples that are copies of each other.

    Attributes:
        check: ``exact copies`` or ``near copies``.
        pairs: (M, 2) indices.
        plain: Number of pairs left out because so plain a sample is the same by chance.
    """

    check: str
    pairs: Pairs
    plain: int


def copies(check: str, pairs: Pairs, plain: NDArray[np.bool_]) -> Copies:
    """Pairs of copies, but for those of samples too plain to be told apart.

    Args:
        check: What they are.
        pairs: (M, 2) indices.
        plain: (N,) which samples are too plain.
    """
    dropped = plain[pairs].any(axis=1)
    return Copies(check=check, pairs=pairs[~dropped], plain=int(dropped.sum()))


def across(found: Copies, dataset: Dataset, splits: Sequence[Split], task: str) -> list[Finding]:
    """Findings on copies: how many, across classes, and across the parts of splits."""
    pairs, check = found.pairs, found.check
    left = f"; {found.plain:,} more of samples too plain to tell" if found.plain else ""
    level: Level = "remark" if len(pairs) else "holds"
    text = f"{counted(len(pairs), 'pair')} of {check}{left}"
    findings = [
        Finding(check=check, level=level, text=text, count=len(pairs), samples=named(pairs))
    ]
    if len(pairs):
        findings += _across_classes(found, dataset.labels)
        findings += _across_folds(found, dataset, splits, task)
        findings += _across_official(found, dataset.official)
    return findings


def _across_classes(found: Copies, labels: NDArray[np.int64]) -> Iterator[Finding]:
    pairs = found.pairs[labels[found.pairs[:, 0]] != labels[found.pairs[:, 1]]]
    if not len(pairs):
        return
    share = len(np.unique(pairs)) / len(labels)
    exact = found.check == "exact copies"
    verb = ("carries" if len(pairs) == 1 else "carry") + (" two" if exact else " different")
    yield Finding(
        check=f"{found.check} across classes",
        level="fault" if exact and share > TOLERATED else "remark",
        text=f"{counted(len(pairs), 'pair')} of {found.check} {verb} labels: {_paired(pairs)}",
        count=len(pairs),
        samples=named(pairs),
    )


def _across_folds(
    found: Copies, dataset: Dataset, splits: Sequence[Split], task: str
) -> Iterator[Finding]:
    if not splits:
        return
    leaks, apart = 0, np.zeros(len(found.pairs), bool)
    for split in splits:
        tested = np.zeros(len(dataset), bool)
        tested[split.test] = True
        inside = tested[found.pairs]
        apart |= inside[:, 0] != inside[:, 1]
        leaks += len(np.unique(found.pairs[inside & ~inside[:, ::-1]]))
    leaking = leaks / len({split.seed for split in splits})
    if not apart.any():
        text = (
            f"no {found.check.replace('copies', 'copy')} lies on the other side of a standard fold"
        )
        yield Finding(check=f"{found.check} across folds", level="holds", text=text)
        return
    share = leaking / len(dataset)
    text = (
        f"{leaking:,.0f} of {len(dataset):,} samples ({100 * share:.1f} %) are tested in the"
        f" standard folds while a copy of them is trained on"
    )
    remedy = f"; keep copies together by: crossbench data groups {task} --near-duplicates"
    if dataset.source == "embedded":
        remedy = ""
    yield Finding(
        check=f"{found.check} across folds",
        level="fault" if share > TOLERATED else "remark",
        text=text + remedy,
        count=round(leaking),
        samples=named(found.pairs[apart]),
    )


def _across_official(found: Copies, official: NDArray[np.int8] | None) -> Iterator[Finding]:
    if official is None:
        return
    parts = np.sort(official[found.pairs], axis=1)
    pairs = found.pairs[parts[:, 0] != parts[:, 1]]
    if not len(pairs):
        return
    between = [
        f"{int((parts == (one, other)).all(axis=1).sum()):,} {_PARTS[one]}-{_PARTS[other]}"
        for one, other in ((0, 2), (0, 1), (1, 2))
    ]
    yield Finding(
        check=f"{found.check} across official parts",
        level="remark",
        text=f"{counted(len(pairs), 'pair')} across parts of it: {', '.join(between)}",
        count=len(pairs),
        samples=named(pairs),
    )


def grouping(dataset: Dataset, task: str, group: str | None) -> Iterator[Finding]:
    """Whether groups are known, and whether one is in several parts of the official split."""
    groups = dataset.groups
    if groups is None:
        text = "ungrouped: samples of one " + (group or "patient") + " may be trained and tested on"
        yield Finding(
            check="groups",
            level="remark",
            text=f"{text}; what joins groups is said by: crossbench data groups {task}",
        )
        return
    sizes = np.unique(groups, return_counts=True)[1]
    text = f"{counted(len(sizes), group or 'group')} of {sizes.min()} to {sizes.max()} samples"
    yield Finding(check="groups", level="holds", text=text, count=len(sizes))
    if dataset.official is None:
        return
    held = [set(np.unique(groups[dataset.official == part]).tolist()) for part in range(3)]
    between = [(one, other, held[one] & held[other]) for one, other in ((0, 2), (0, 1), (1, 2))]
    leaking = np.array(sorted(set().union(*(each for *_, each in between))), np.int64)
    if not len(leaking):
        text = "no group is in two parts of the official split"
        yield Finding(check="groups across official parts", level="holds", text=text)
        return
    words = [f"{len(each):,} {_PARTS[one]}-{_PARTS[other]}" for one, other, each in between]
    text = f"{counted(len(leaking), 'group')} across parts of it: {', '.join(words)}"
    first = [int(np.flatnonzero(groups == each)[0]) for each in leaking[:20]]
    yield Finding(
        check="groups across official parts",
        level="remark",
        text=f"{text} (samples {listed(np.array(first))})",
        count=len(leaking),
        samples=tuple(first),
    )


def _paired(pairs: Pairs) -> str:
    more = ", ..." if len(pairs) > 4 else ""
    return ", ".join(f"{one} and {other}" for one, other in pairs[:4].tolist()) + more
