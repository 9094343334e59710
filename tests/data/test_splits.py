from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from crossbench.data.splits import Split, make_splits, subset
from crossbench.errors import SplitError
from crossbench.specs import SplitSettings


def ask(scheme: Any, folds: int = 5, seeds: tuple[int, ...] = (43,), **others: Any) -> Any:
    return SplitSettings(scheme=scheme, folds=folds, seeds=seeds, **others)


@st.composite
def cohorts(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups: 2 to 4 classes of at least 10 groups of 1 to 4 samples each."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    patients = [draw(st.integers(10, 40)) for _ in range(draw(st.integers(2, 4)))]
    per_patient = np.repeat(np.arange(len(patients)), patients)
    groups = np.repeat(np.arange(len(per_patient)), random.integers(1, 5, len(per_patient)))
    order = random.permutation(len(groups))
    return per_patient[groups][order], groups[order]


def check_partition(split: Split, samples: int) -> None:
    parts = (split.train, split.val, split.test)
    assert all(part.dtype == np.int64 and (np.diff(part) > 0).all() for part in parts)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(samples))


# --------------------------------------------------------------------------- paper


@given(st.integers(90, 200), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_paper_is_plain_k_fold_and_its_first_fifth_validates(
    samples: int, folds: int, seed: int
) -> None:
    labels = np.arange(samples) % 2
    splits = make_splits(ask("paper", folds, (seed,)), labels, np.zeros(samples, np.int64))
    expected = KFold(folds, shuffle=True, random_state=seed).split(labels)
    for fold, (split, (rest, test)) in enumerate(zip(splits, expected, strict=True)):
        cut = int(0.2 * len(rest))
        assert (split.seed, split.fold, split.grouped) == (seed, fold, False)
        np.testing.assert_array_equal(split.test, test)
        np.testing.assert_array_equal(split.val, rest[:cut])
        np.testing.assert_array_equal(split.train, rest[cut:])
        check_partition(split, samples)


def test_paper_warns_of_a_one_class_validation_part() -> None:
    """A file that is sorted by class, such as Mosmed."""
    labels = np.repeat([1, 0], 100)
    splits = make_splits(ask("paper", seeds=(43, 44, 45)), labels)
    assert len(splits) == 15
    assert {split.warnings for split in splits} == {("the validation part has only class 1",)}


# ------------------------------------------------------------------------ standard


@settings(max_examples=20)
@given(cohorts(), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_standard_keeps_groups_whole_and_classes_in_proportion(
    cohort: tuple[np.ndarray, np.ndarray], folds: int, seed: int
) -> None:
    labels, groups = cohort
    splits = make_splits(ask("standard", folds, (seed,)), labels, groups)
    tested = np.concatenate([split.test for split in splits])
    assert np.array_equal(np.sort(tested), np.arange(len(labels)))
    for split in splits:
        check_partition(split, len(labels))
        assert split.grouped
        assert split.warnings == ()
        parts = [set(groups[part]) for part in (split.train, split.val, split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts))
        counts = np.bincount(labels)
        for part, share in (
            (split.test, 1 / folds),
            (split.val, 0.2 * (1 - 1 / folds)),
            (split.train, 0.8 * (1 - 1 / folds)),
        ):
            members = np.bincount(labels[part], minlength=len(counts))
            assert np.abs(members - share * counts).max() < 8  # two groups of four


@settings(max_examples=30)
@given(cohorts(), st.integers(2, 5), st.integers(0, 2**32 - 1))
def test_standard_without_groups_is_stratified_to_a_sample(
    cohort: tuple[np.ndarray, np.ndarray], folds: int, seed: int
) -> None:
    labels, _ = cohort
    for split in make_splits(ask("standard", folds, (seed,)), labels):
        check_partition(split, len(labels))
        assert not split.grouped
        counts = np.bincount(labels)
        tested = np.bincount(labels[split.test], minlength=len(counts))
        assert (np.abs(tested - counts / folds) < 1).all()
        validated = np.bincount(labels[split.val], minlength=len(counts))
        assert (np.abs(validated - (counts - tested) / 5) <= 0.5).all()


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.5])
def test_validation_takes_its_share(share: float) -> None:
    labels = np.arange(200) % 2
    (split,) = make_splits(ask("standard", 2, run_folds=(0,), validation=share), labels)
    assert np.bincount(labels[split.val]).tolist() == [round(50 * share)] * 2


def test_a_rare_class_is_a_warning() -> None:
    labels = np.array([0] * 30 + [1] * 30 + [2] * 3)
    splits = make_splits(ask("standard"), labels)
    assert {split.warnings for split in splits} == {
        ("class 2 has 3 samples for 5 folds: some parts lack it",)
    }


def test_a_small_training_part_validates_with_one_group() -> None:
    labels, groups = np.repeat([0, 1], 9), np.repeat(np.arange(6), 3)
    for split in make_splits(ask("standard", 3), labels, groups):
        check_partition(split, 18)
        assert len(split.val) == 3
        assert len(split.warnings) == 1


# ------------------------------------------------------------------------ official


def test_official_takes_the_publishers_parts_for_every_seed() -> None:
    official = np.array([0, 0, 1, 1, 2, 2, 0], np.int8)
    labels = np.array([0, 1, 0, 1, 0, 1, 1])
    splits = make_splits(ask("official", seeds=(1, 2)), labels, None, official)
    assert [(split.seed, split.fold, split.grouped) for split in splits] == [
        (1, 0, False),
        (2, 0, False),
    ]
    for split in splits:
        assert split.train.tolist() == [0, 1, 6]
        assert split.val.tolist() == [2, 3]
        assert split.test.tolist() == [4, 5]


@pytest.mark.parametrize(("last", "grouped"), [(0, True), (3, False)])
def test_official_is_grouped_if_no_group_straddles(last: int, grouped: bool) -> None:
    official = np.array([0, 0, 1, 1, 2, 2, 0], np.int8)
    groups = np.array([0, 0, 1, 2, 3, 3, last])
    labels = np.array([0, 1, 0, 1, 0, 1, 1])
    (split,) = make_splits(ask("official"), labels, groups, official)
    assert split.grouped is grouped


# -------------------------------------------------------------- hashes, folds, seeds


@pytest.mark.parametrize("scheme", ["paper", "standard"])
def test_the_same_request_gives_the_same_splits(scheme: str) -> None:
    labels, groups = np.arange(60) % 3, np.arange(60) // 3 * 10
    first, again = (
        [split.content_hash for split in make_splits(ask(scheme, seeds=(1, 2)), labels, groups)]
        for _ in range(2)
    )
    assert first == again
    assert len(set(first)) == 10


@pytest.mark.parametrize("scheme", ["paper", "standard"])
def test_folds_can_be_chosen(scheme: str) -> None:
    labels = np.arange(60) % 3
    everything = make_splits(ask(scheme, seeds=(1, 2)), labels)
    chosen = make_splits(ask(scheme, seeds=(1, 2), run_folds=(3, 1)), labels)
    assert [(split.seed, split.fold) for split in chosen] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    by_key = {(split.seed, split.fold): split.content_hash for split in everything}
    assert all(by_key[split.seed, split.fold] == split.content_hash for split in chosen)


# -------------------------------------------------------------------------- errors

BALANCED = np.arange(40) % 2


@pytest.mark.parametrize(
    ("given_settings", "labels", "groups", "message"),
    [
        (ask("paper"), [0, 1, 0], None, "3 samples are fewer than 5 folds"),
        (ask("standard"), [0, 1, 0], None, "3 samples are fewer than 5 folds"),
        (ask("standard"), BALANCED, BALANCED, "2 groups are fewer than 5 folds"),
        (ask("paper", 1), BALANCED, None, "1 folds cannot be drawn"),
        (ask("standard", 1), BALANCED, None, "1 folds cannot be drawn"),
        (ask("standard"), [0, 1] * 4, None, "every class has fewer samples than there are"),
        (
            ask("standard", 2),
            BALANCED,
            BALANCED,
            "the training part has no samples",
        ),
        (ask("paper"), np.zeros(40, int), None, "the training part has only class 0"),
        (ask("standard"), np.ones(40, int), None, "the training part has only class 1"),
        (
            ask("paper"),
            [1] + [0] * 39,
            None,
            r"seed 43, fold \d: the (training|test) part has only class 0",
        ),
        (ask("paper", 2), [0, 1, 1, 0], None, "the validation part has no samples"),
        (ask("official"), BALANCED, None, "the data has no official split; choose scheme"),
        (ask("paper", run_folds=(5,)), BALANCED, None, r"no fold 5; .* 'paper' has 0\.\.4"),
        (ask("official", run_folds=(1,)), BALANCED, None, r"no fold 1; .* has 0\.\.0"),
        (ask("paper", seeds=(-1,)), BALANCED, None, r"seed -1 is not in 0\.\.4294967295"),
        (ask("paper", validation=0.0), BALANCED, None, "validation share 0.0 is not above 0"),
        (ask("standard", validation=0.6), BALANCED, None, "validation share 0.6 is not"),
    ],
)
def test_refuses(given_settings: Any, labels: Any, groups: Any, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        make_splits(given_settings, np.asarray(labels), groups)


def test_refuses_an_official_split_without_a_test_part() -> None:
    official = (np.arange(40) // 20).astype(np.int8)
    with pytest.raises(SplitError, match="seed 43, fold 0: the test part has no samples"):
        make_splits(ask("official"), BALANCED, None, official)


# -------------------------------------------------------------------------- subset


@given(cohorts(), st.integers(4, 200), st.integers(0, 2**32 - 1))
def test_subset_without_groups_is_of_the_size_asked_for_and_in_proportion(
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


@given(cohorts(), st.integers(4, 200), st.integers(0, 2**32 - 1))
def test_subset_keeps_groups_whole_and_every_class(
    cohort: tuple[np.ndarray, np.ndarray], size: int, seed: int
) -> None:
    labels, groups = cohort
    chosen = subset(labels, groups, size, seed)
    assert (np.diff(chosen) > 0).all()
    assert np.isin(groups, groups[chosen]).sum() == len(chosen)
    assert len(np.unique(labels[chosen])) == len(np.unique(labels))
    smallest = sum(
        np.unique(groups[labels == label], return_counts=True)[1].min() for label in set(labels)
    )
    assert len(chosen) <= max(size, smallest)
    assert len(chosen) >= min(size, len(labels)) - 4 * len(set(labels))


def test_subset_keeps_groups_of_several_classes_whole() -> None:
    labels = np.array([0, 1, 0, 0, 2, 1, 0, 0, 0, 0])
    groups = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4, 5])
    chosen = subset(labels, groups, 6, seed=0)
    assert set(labels[chosen]) == {0, 1, 2}
    assert np.isin(groups, groups[chosen]).sum() == len(chosen)


@pytest.mark.parametrize("size", [None, 40, 100])
def test_subset_of_everything(size: int | None) -> None:
    np.testing.assert_array_equal(subset(BALANCED, None, size, seed=0), np.arange(40))


def test_subset_needs_room_for_every_class() -> None:
    with pytest.raises(SplitError, match="5 samples cannot hold 8 classes; raise max_samples"):
        subset(np.arange(40) % 8, None, 5, seed=0)


# ---------------------------------------------------------------------- few labels


@settings(max_examples=20)
@given(cohorts(), st.integers(80, 120), st.integers(0, 2**32 - 1))
def test_few_labels_leave_the_test_parts_whole(cohort: Any, most: int, seed: int) -> None:
    labels, groups = cohort
    every = make_splits(ask("standard", 3, (seed,)), labels, groups)
    few = make_splits(ask("standard", 3, (seed,), max_labelled=most), labels, groups)
    for whole, part in zip(every, few, strict=True):
        assert np.array_equal(part.test, whole.test)
        assert len(part.train) + len(part.val) <= most
        for kept, all_of_them in ((part.train, whole.train), (part.val, whole.val)):
            assert set(kept) <= set(all_of_them)
            of_its_groups = np.flatnonzero(np.isin(groups, groups[kept]))
            assert set(of_its_groups) & set(all_of_them) == set(kept)


def test_more_labels_than_there_are_limit_nothing() -> None:
    labels = np.arange(60) % 2
    (every, *_), (same, *_) = (
        make_splits(ask("standard", 3, max_labelled=most), labels) for most in (None, 1000)
    )
    assert every.content_hash == same.content_hash
