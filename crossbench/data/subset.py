"""A drawn part of the samples: stratified, and in whole groups where that can be."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np

from crossbench.errors import SplitError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Indices = NDArray[np.int64]


def subset(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    max_samples: int | None,
    seed: int,
    *,
    least_groups: int = 1,
    setting: str = "input.max_samples",
) -> Indices:
    """A stratified part of the samples, with every class, in whole groups where that can be.

    Where the whole groups that fit are too few, more groups are taken in part: the number of
    samples is kept, and a group is still in no more than one part of any later split.

    Args:
        labels: (N,) class of each sample.
        groups: (N,) group of each sample; None makes each sample its own.
        max_samples: How many samples to keep at most; None keeps all.
        seed: Seed of the draw.
        least_groups: In how many groups each class is to be, as far as it is in so many.
        setting: What an error calls ``max_samples``.

    Returns:
        (n,) int64 ascending indices.

    Raises:
        SplitError: If there are more classes than ``max_samples``.
    """
    if max_samples is None or max_samples >= len(labels):
        return np.arange(len(labels))
    classes = len(np.unique(labels))
    if classes > max_samples:
        msg = f"{max_samples} samples cannot hold {classes} classes; raise {setting}"
        raise SplitError(msg)
    whole = draw_share(labels, groups, max_samples / len(labels), seed, room=max_samples)
    if groups is None or _is_enough(labels, groups, whole, max_samples, least_groups):
        return whole
    return _draw_parts(labels, groups, max_samples, seed, least_groups)


def _is_enough(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    chosen: Indices,
    most: int,
    least_groups: int,
) -> bool:
    """Whether chosen samples are no more than allowed and each class in as many groups as asked."""
    if len(chosen) > most:
        return False
    for label in np.unique(labels):
        there = len(np.unique(groups[labels == label]))
        taken = len(np.unique(groups[chosen][labels[chosen] == label]))
        if taken < min(there, least_groups):
            return False
    return True


def _draw_parts(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    most: int,
    seed: int,
    least_groups: int,
) -> Indices:
    """Samples of each class in proportion, from groups in a drawn order, some of them in part.

    Of a class that is to have t samples from g groups, a group gives t / g before any gives more.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    rank = np.empty(len(labels), np.int64)
    rank[order] = np.arange(len(labels))
    taken: list[Indices] = []
    for label, size in zip(*_shares(labels, most), strict=True):
        own = np.flatnonzero(labels == label)
        own = own[np.argsort(rank[own])]
        _, first, member = np.unique(groups[own], return_index=True, return_inverse=True)
        wanted = min(len(first), least_groups, size)
        place = first[member]  # groups in the order of their first samples
        turn = np.empty(len(own), np.int64)  # of each sample within its group
        for group in range(len(first)):
            turn[member == group] = np.arange(int(np.sum(member == group)))
        beyond = turn >= size // wanted
        too_large = np.bincount(member)[member] > size  # whole groups come first
        chosen = own[np.lexsort((turn, place, too_large, beyond))][:size]
        taken.append(chosen)
    return np.sort(np.concatenate(taken))


def _shares(labels: NDArray[np.int64], most: int) -> tuple[list[int], list[int]]:
    """Classes, and how many of ``most`` samples each gets: in proportion, and one at least."""
    classes, counts = np.unique(labels, return_counts=True)
    shares = np.maximum(1, np.floor(most * counts / len(labels))).astype(np.int64)
    while shares.sum() > most:
        shares[shares.argmax()] -= 1
    return classes.tolist(), shares.tolist()


def draw_share(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
    share: float,
    seed: int,
    *,
    room: int | None = None,
) -> Indices:
    """About a share of each class, in whole groups, as ascending indices.

    Groups are looked at in a drawn order; one is taken if it brings the classes it holds
    nearer to their shares. With ``room`` for so many samples, one group of each class is
    taken before any other.
    """
    units = np.arange(len(labels)) if groups is None else groups
    members: dict[int, Counter[int]] = defaultdict(Counter)
    for unit, label in zip(units.tolist(), labels.tolist(), strict=True):
        members[unit][label] += 1
    order = np.random.default_rng(seed).permutation(list(members)).tolist()
    taken = set() if room is None else _one_of_each_class(order, members)
    left = len(labels) if room is None else room
    left -= sum(members[unit].total() for unit in taken)
    sizes = Counter(labels.tolist())
    lacking = {
        label: share * size - sum(members[unit][label] for unit in taken)
        for label, size in sizes.items()
    }

    def gain(unit: int) -> float:
        """Decrease of the squared distance to the shares, each class in units of its size."""
        own = members[unit].items()
        return sum(count * (2 * lacking[label] - count) / sizes[label] ** 2 for label, count in own)

    for unit in order:
        if unit not in taken and members[unit].total() <= left and gain(unit) > 0:
            taken.add(unit)
            left -= members[unit].total()
            for label, count in members[unit].items():
                lacking[label] -= count
    return np.flatnonzero(np.isin(units, list(taken or {max(order, key=gain)})))


def _one_of_each_class(order: list[int], members: dict[int, Counter[int]]) -> set[int]:
    """For each class that no group so far holds, rare ones first, its smallest group."""
    holders: dict[int, list[int]] = defaultdict(list)
    for unit in order:
        for label in members[unit]:
            holders[label].append(unit)
    taken: set[int] = set()
    for label in sorted(holders, key=lambda label: (len(holders[label]), label)):
        if taken.isdisjoint(holders[label]):
            taken.add(min(holders[label], key=lambda unit: members[unit].total()))
    return taken
