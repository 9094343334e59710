from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.subset import subset
from crossbench.errors import SplitError

BALANCED = np.arange(40) % 2
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def cohorts(draw: st.DrawFn, largest: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups: 2 to 4 classes of 5 to 40 groups of up to ``largest`` samples each."""
    random = np.random.default_rng(draw(SEEDS))
    patients = [draw(st.integers(5, 40)) for _ in range(draw(st.integers(2, 4)))]
    per_patient = np.repeat(np.arange(len(patients)), patients)
    sizes = random.integers(1, largest + 1, len(per_patient))
    groups = np.repeat(np.arange(len(per_patient)), sizes)
    order = random.permutation(len(groups))
    return per_patient[groups][order], groups[order]


@given(cohorts(), st.integers(4, 200), SEEDS)
def test_without_groups_the_size_is_kept_and_so_are_the_proportions(
    cohort: tuple[np.ndarray, np.ndarray], size: int, seed: int
) -> None:
    labels, _ = cohort
    chosen = subset(labels, None, size, seed)
    assert (np.diff(chosen) > 0).all()
    classes = labels.max() + 1
    assert min(size, len(labels)) - classes / 2 <= len(chosen) <= size
    counts = np.bincount(labels[chosen], minlength=classes)
    assert (counts > 0).all()
    assert np.abs(counts - np.bincount(labels) * len(chosen) / len(labels)).max() < 2
    np.testing.assert_array_equal(chosen, subset(labels, None, size, seed))


@given(cohorts(), st.integers(24, 200), SEEDS)
def test_groups_are_whole_where_one_of_each_class_fits(
    cohort: tuple[np.ndarray, np.ndarray], size: int, seed: int
) -> None:
    labels, groups = cohort
    chosen = subset(labels, groups, size, seed)
    assert (np.diff(chosen) > 0).all()
    assert np.isin(groups, groups[chosen]).sum() == len(chosen)
    assert len(np.unique(labels[chosen])) == len(np.unique(labels))
    assert min(size, len(labels)) - 5 * len(set(labels)) <= len(chosen) <= size


def test_groups_of_several_classes_are_whole() -> None:
    labels = np.array([0, 1, 0, 0, 2, 1, 0, 0, 0, 0])
    groups = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4, 5])
    chosen = subset(labels, groups, 6, seed=0)
    assert set(labels[chosen]) == {0, 1, 2}
    assert np.isin(groups, groups[chosen]).sum() == len(chosen)


@given(cohorts(largest=60), st.integers(4, 200), st.integers(1, 6), SEEDS)
def test_the_size_is_kept_whatever_the_groups_and_each_class_is_in_as_many_as_asked(
    cohort: tuple[np.ndarray, np.ndarray], size: int, least: int, seed: int
) -> None:
    labels, groups = cohort
    chosen = subset(labels, groups, size, seed, least_groups=least)
    assert len(chosen) <= size
    assert (np.diff(chosen) > 0).all()
    for label in np.unique(labels):
        there = len(np.unique(groups[labels == label]))
        taken = groups[chosen][labels[chosen] == label]
        assert len(np.unique(taken)) >= min(least, there, len(taken))
        assert len(taken) > 0


def test_small_groups_come_whole_before_large_ones_in_part() -> None:
    """Sixteen samples of two classes: one has groups of 3, the other of 40."""
    labels = np.repeat([0, 1], 120)
    groups = np.concatenate([np.repeat(np.arange(40), 3), np.repeat(np.arange(40, 43), 40)])
    chosen = subset(labels, groups, 16, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [8, 8]
    small = np.unique(groups[chosen][labels[chosen] == 0], return_counts=True)[1]
    assert sorted(small) == [2, 3, 3]
    assert len(np.unique(groups[chosen][labels[chosen] == 1])) == 1


@pytest.mark.parametrize("size", [None, 40, 100])
def test_a_subset_of_everything(size: int | None) -> None:
    np.testing.assert_array_equal(subset(BALANCED, None, size, seed=0), np.arange(40))


def test_a_subset_needs_room_for_every_class() -> None:
    message = "5 samples cannot hold 8 classes; raise input.max_samples"
    with pytest.raises(SplitError, match=message):
        subset(np.arange(40) % 8, None, 5, seed=0)
