from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from crossbench.data.splits import Labelled, Split, make_splits
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
    note = "class 2 is in 3 samples for 5 folds: some parts lack it"
    assert all(split.warnings[0] == note for split in splits)
    for split in splits:
        assert ("the test part lacks class 2" in split.warnings) == (2 not in labels[split.test])
        validates = "the validation part lacks class 2" in split.warnings
        assert validates == (2 not in labels[split.val])


def test_a_class_of_few_groups_is_a_warning_however_many_samples_it_has() -> None:
    """Three patients with 20 samples each of class 2 cannot be in five test parts."""
    labels = np.concatenate([np.repeat([0, 1], 60), np.full(60, 2)])
    groups = np.concatenate([np.arange(120) // 4, 100 + np.arange(60) // 20])
    splits = make_splits(ask("standard"), labels, groups)
    note = "class 2 is in 3 groups for 5 folds: some parts lack it"
    assert all(split.warnings[0] == note for split in splits)
    without = [split for split in splits if 2 not in labels[split.test]]
    assert len(without) >= 2
    for split in splits:
        assert ("the test part lacks class 2" in split.warnings) == (split in without)


def test_parts_that_lack_classes_are_named_under_every_scheme() -> None:
    labels = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 0, 1])
    official = np.repeat(np.arange(3, dtype=np.int8), 4)
    (split,) = make_splits(ask("official"), labels, None, official)
    assert split.warnings == ("the test part lacks classes 2, 3",)
    labels = np.array([0] * 20 + [1] * 20 + [2] * 2)
    for split in make_splits(ask("paper"), labels):
        assert ("the test part lacks class 2" in split.warnings) == (2 not in labels[split.test])


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


def test_the_limit_is_kept_where_patients_have_many_samples() -> None:
    """Sixteen labels of patients with 24 samples each."""
    groups = np.arange(20 * 24) // 24
    labels = groups % 2
    for split in make_splits(ask("standard", max_labelled=16), labels, groups):
        assert (len(split.train), len(split.val)) == (12, 2)
        assert split.grouped
        assert split.warnings == tuple(
            f"split.max_labelled = 16 holds no whole group of each class in part {part!r}:"
            " 2 of its 2 groups are labelled in part"
            for part in ("train", "val")
        )


@settings(max_examples=20)
@given(st.integers(1, 30), st.integers(8, 120), st.integers(2, 3), st.integers(0, 2**32 - 1))
def test_no_more_is_labelled_than_the_limit(
    largest: int, most: int, classes: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), random.integers(1, largest + 1, 40))
    labels = groups % classes
    wanted = ask("standard", 3, (seed,), max_labelled=most, validation=0.4)
    for split in make_splits(wanted, labels, groups):
        assert len(split.train) + len(split.val) <= most
        parts = [set(groups[part]) for part in (split.train, split.val, split.test)]
        assert sum(map(len, parts)) == len(set.union(*parts))


def test_a_limit_without_room_for_every_class_names_the_setting() -> None:
    message = "2 samples cannot hold 8 classes; raise split.max_labelled"
    with pytest.raises(SplitError, match=message):
        make_splits(ask("standard", max_labelled=10), np.arange(400) % 8)


# --------------------------------------------------------------------------- sites


def at_sites() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, groups of two samples, and three sites of 40, 40 and 20 samples, half a class."""
    labels = np.repeat(np.arange(50) % 2, 2)
    return labels, np.repeat(np.arange(50), 2), np.repeat(["a", "b", "c"], [40, 40, 20])


def test_standard_keeps_each_class_at_each_site_in_proportion() -> None:
    labels, groups, site = at_sites()
    for split in make_splits(ask("standard"), labels, groups, site=site):
        check_partition(split, 100)
        assert split.warnings == ()
        for name, count in (("a", 4), ("b", 4), ("c", 2)):
            own = labels[split.test][site[split.test] == name]
            assert np.bincount(own, minlength=2).tolist() == [count, count]
            assert len(np.unique(labels[split.val][site[split.val] == name])) == 2


def test_standard_is_the_same_without_sites_and_with_one() -> None:
    labels, groups, site = at_sites()
    without = make_splits(ask("standard"), labels, groups)
    one = make_splits(ask("standard"), labels, groups, site=np.full_like(site, "a"))
    assert [each.content_hash for each in without] == [each.content_hash for each in one]


def test_leave_site_out_tests_each_site_and_trains_on_the_others() -> None:
    labels, groups, site = at_sites()
    splits = make_splits(ask("leave-site-out", 3), labels, groups, site=site)
    assert [split.fold for split in splits] == [0, 1, 2]
    for name, split in zip("abc", splits, strict=True):
        check_partition(split, 100)
        assert np.array_equal(split.test, np.flatnonzero(site == name))
        assert split.warnings == (f"tested on site '{name}'",)
        assert split.grouped
    (one,) = make_splits(ask("leave-site-out", 3, run_folds=(1,)), labels, groups, site=site)
    assert one.content_hash == splits[1].content_hash


def test_who_was_at_two_sites_is_not_trained_on_where_one_is_tested() -> None:
    labels, groups, site = at_sites()
    site[0] = "c"
    split = make_splits(ask("leave-site-out", 3), labels, groups, site=site)[2]
    assert 1 not in np.concatenate([split.train, split.val])
    assert split.warnings == (
        "tested on site 'c', and not trained on 1 samples elsewhere of its groups",
    )


def test_leaving_sites_out_takes_one_seed() -> None:
    settings = ask("leave-site-out", 3, seeds=(0, 1))
    complaints = [said for _, holds, said in settings.demands() if not holds]
    assert complaints == ["leaving sites out repeats nothing, so ask for one seed"]


# ------------------------------------------------------------------ fitted on other samples


@settings(max_examples=20)
@given(cohorts(), cohorts(), st.booleans(), st.integers(2, 5), st.integers(0, 2**32 - 9))
def test_other_samples_are_fitted_and_the_folds_tested_are_the_same(
    tested: Any, fitted: Any, grouped: bool, folds: int, seed: int
) -> None:
    labels, groups = tested
    others = Labelled(fitted[0], fitted[1] if grouped else None)
    asked = ask("standard", folds, (seed, seed + 1))
    own = make_splits(asked, labels, groups)
    for split, alone in zip(make_splits(asked, labels, groups, fitted=others), own, strict=True):
        assert (split.seed, split.fold, split.grouped) == (alone.seed, alone.fold, grouped)
        assert np.array_equal(split.test, alone.test)
        rest = np.sort(np.concatenate([split.train, split.val])) - len(labels)
        assert np.array_equal(rest, np.arange(len(others.labels)))
        if others.groups is not None:
            parts = (others.groups[part - len(labels)] for part in (split.train, split.val))
            assert not np.intersect1d(*parts).size


def test_the_limit_of_labels_is_on_what_is_fitted() -> None:
    labels, other = np.arange(60) % 2, Labelled(np.arange(80) // 2 % 2, np.arange(80) // 2)
    asked = ask("standard", max_labelled=20)
    for split in make_splits(asked, labels, fitted=other):
        assert len(split.test) == 12
        assert len(split.train) + len(split.val) <= 20


@pytest.mark.parametrize("scheme", ["paper", "official", "leave-site-out"])
def test_every_scheme_tests_its_own_parts_and_fits_all_of_the_others(scheme: str) -> None:
    labels, official = np.arange(60) % 2, np.arange(60) // 20
    site = np.array(["a", "b", "c", "d", "e"])[np.arange(60) // 12]
    asked = ask(scheme)
    other = Labelled(np.arange(40) % 2)
    known = (labels, None, official.astype(np.int8), site)
    pairs = zip(make_splits(asked, *known, fitted=other), make_splits(asked, *known), strict=True)
    for split, alone in pairs:
        assert np.array_equal(split.test, alone.test)
        assert len(split.train) + len(split.val) == 40
        assert min(split.train.min(), split.val.min()) == 60
        assert not split.grouped


def test_one_class_to_fit_is_refused() -> None:
    with pytest.raises(SplitError, match="the training part has only class 1"):
        make_splits(ask("standard"), np.arange(60) % 2, fitted=Labelled(np.ones(9, np.int64)))
