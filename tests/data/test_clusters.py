from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.clusters import clusters, sharing


def naive(count: int, pairs: list[tuple[int, int]]) -> list[int]:
    codes = list(range(count))
    for one, other in pairs:
        kept, gone = codes[one], codes[other]
        codes = [kept if code == gone else code for code in codes]
    order = {code: place for place, code in enumerate(dict.fromkeys(codes))}
    return [order[code] for code in codes]


def _cases(count: int) -> st.SearchStrategy[tuple[int, list[tuple[int, int]]]]:
    ends = st.integers(0, count - 1)
    return st.tuples(st.just(count), st.lists(st.tuples(ends, ends), max_size=15))


@given(st.integers(1, 12).flatmap(_cases))
def test_clusters_are_connected_components(case: tuple[int, list[tuple[int, int]]]) -> None:
    count, pairs = case
    assert clusters(count, pairs).tolist() == naive(count, pairs)


@given(st.lists(st.frozensets(st.integers(0, 6), max_size=4), min_size=1, max_size=8))
def test_samples_that_share_a_thing_are_in_one_cluster(things: list[frozenset[int]]) -> None:
    found = clusters(len(things), sharing(things))
    pairs = [
        (one, other)
        for one, own in enumerate(things)
        for other in range(one)
        if own & things[other]
    ]
    assert found.tolist() == naive(len(things), pairs)


def test_nothing_shared_leaves_each_alone() -> None:
    assert sharing([("a",), ("b",)]).shape == (0, 2)
    assert np.array_equal(clusters(3, []), [0, 1, 2])
