"""Clusters of samples, connected by pairs or by what they share, directly or in a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from numpy.typing import ArrayLike, NDArray


def clusters(count: int, pairs: ArrayLike) -> NDArray[np.int64]:
    """Connected components of samples that pairs hold together.

    Example:
        >>> clusters(5, [(0, 3), (3, 4)]).tolist()
        [0, 1, 2, 0, 0]

    Args:
        count: Number of samples N.
        pairs: (M, 2) indices of samples that belong together; M may be 0.

    Returns:
        (N,) codes from 0, numbered in the order of each cluster's first sample.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.asarray(pairs, np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), (count, count))
    codes = connected_components(graph, directed=False)[1]
    _, first, place = np.unique(codes, return_index=True, return_inverse=True)
    return first.argsort().argsort()[place].astype(np.int64)


def sharing(things: Sequence[Iterable[Hashable]]) -> NDArray[np.int64]:
    """Pairs that hold together the samples which share a thing: a frame's hash, a patient.

    Each sample is paired with the first that has the thing, so that there are no more pairs than
    things, and :func:`clusters` puts all of them together.

    Example:
        >>> sharing([("a", "b"), ("c",), ("b",), ("b", "c")]).tolist()
        [[0, 2], [0, 3], [1, 3]]

    Args:
        things: What each of N samples has.

    Returns:
        (M, 2) indices.
    """
    first: dict[Hashable, int] = {}
    found = {
        (holder, place)
        for place, own in enumerate(things)
        for thing in own
        if (holder := first.setdefault(thing, place)) != place
    }
    return np.array(sorted(found), np.int64).reshape(-1, 2)
