"""Samples of two tasks as one dataset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.content import sample_hashes
from crossbench.data.cross import join
from crossbench.data.dataset import Dataset
from crossbench.errors import DataError
from crossbench.registry.tasks import find_task
from crossbench.specs.cross import cross

CARD = replace(find_task("blood"), name="tested", cohort=None)
CROSS = cross(CARD, replace(CARD, name="fitted"))


def dataset(seed: int = 0, samples: int = 6, **facts: Any) -> Dataset:
    random = np.random.default_rng(seed)
    known: dict[str, Any] = {
        "images": random.integers(0, 255, (samples, 3, 4, 4)).astype(np.uint8),
        "labels": random.integers(0, 8, samples),
        "num_classes": 8,
        "groups": None,
        "official": None,
        "covariate": None,
        "source": "real",
        "file": Path(f"{seed}.npz"),
        "content_hash": f"{seed}",
    }
    return Dataset(**known | facts)


@given(st.integers(1, 9), st.integers(1, 9), st.booleans(), st.booleans(), st.integers(0, 9))
def test_samples_keep_their_order_and_groups_of_two_tasks_are_never_one(
    tested: int, fitted: int, known: bool, others_known: bool, seed: int
) -> None:
    random = np.random.default_rng(seed)
    one, other = (
        dataset(
            place,
            count,
            groups=np.unique(random.integers(0, 4, count), return_inverse=True)[1]
            if grouped
            else None,
        )
        for place, (count, grouped) in enumerate([(tested, known), (fitted, others_known)])
    )
    both = join(CROSS, [one, other])
    assert np.array_equal(both.images, np.concatenate([one.images, other.images]))
    assert np.array_equal(both.labels, np.concatenate([one.labels, other.labels]))
    assert (both.groups is None) == (not known and not others_known)
    if both.groups is None:
        return
    for part, own in ((one, both.groups[:tested]), (other, both.groups[tested:])):
        units = np.arange(len(part)) if part.groups is None else part.groups
        assert (
            len(np.unique(own)) == len(np.unique(units)) == len(np.unique([own, units], axis=1).T)
        )
    assert not np.intersect1d(both.groups[:tested], both.groups[tested:]).size


@pytest.mark.parametrize("grouped", [(True, True), (True, False), (False, False)])
def test_content_is_known_by_the_units_of_either_file(grouped: tuple[bool, bool]) -> None:
    one, other = (
        dataset(place, groups=np.arange(6) // 2 if known else None)
        for place, known in enumerate(grouped)
    )
    both = join(CROSS, [one, other])
    units = np.arange(12) if both.groups is None else both.groups
    for row, image in enumerate([*one.images, *other.images]):
        (own,) = sample_hashes(image[None])
        assert own in both.as_stored.of_units(units[[row]])
        assert units[row] in both.as_stored.units_with(np.array([own]), np.unique(units))


def test_members_of_a_cohort_stay_known_beside_samples_of_none() -> None:
    groups, members = np.arange(6) // 2, np.array([7, 8, 9], np.uint64)
    both = join(CROSS, [dataset(0), dataset(1, groups=groups, members=members)])
    assert both.groups is not None
    (found,) = np.unique(both.groups[[8, 9]])
    assert both.as_stored.units_with(np.array([8], np.uint64), np.unique(both.groups)) == [found]


def test_covariates_are_those_of_both_and_sites_of_neither() -> None:
    one = dataset(
        site=np.array(["a"] * 6),
        covariates=np.arange(12.0).reshape(6, 2),
        covariate_names=("age", "sex"),
    )
    other = dataset(
        1,
        site=np.array(["a"] * 6),
        covariates=-np.arange(12.0).reshape(6, 2),
        covariate_names=("iq", "age"),
    )
    both = join(CROSS, [one, other])
    assert (both.covariate_names, both.site, both.covariate) == (("age",), None, None)
    assert both.covariates is not None
    assert both.covariates[:, 0].tolist() == [0, 2, 4, 6, 8, 10, -1, -3, -5, -7, -9, -11]
    assert join(CROSS, [one, dataset(1)]).covariates is None


def test_both_files_are_in_hash_origin_range_and_warnings() -> None:
    one = dataset(0, intensity=(0, 9), warnings=("doubtful",), origin={"version": "a"})
    other = dataset(1, intensity=(-3, 4), warnings=("few",), origin={"version": "b"})
    both = join(CROSS, [one, other])
    assert both.intensity == (-3, 9)
    assert both.warnings == ("tested: doubtful", "fitted: few")
    assert both.origin == {"version": "a", "fitted_on": {"version": "b"}}
    hashes = {join(CROSS, pair).content_hash for pair in ([one, other], [other, one], [one, one])}
    assert len(hashes) == 3
    assert join(CARD, [one]) is one


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"source": "phantom"}, "would be tested on real and fitted on phantom data; choose a pre"),
        (
            {"images": np.zeros((6, 1, 4, 4), np.uint8)},
            r"tested.from.fitted: samples to test are uint8 of shape \(3, 4, 4\), and those t",
        ),
        ({"images": np.zeros((6, 3, 4, 4))}, r"to fit float64 of shape \(3, 4, 4\); import both"),
    ],
)
def test_samples_that_do_not_go_together_are_refused(facts: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        join(CROSS, [dataset(), dataset(1, **facts)])


def test_a_change_of_either_file_is_noticed() -> None:
    class Changed:
        """A dataset whose file was written to."""

        def check_unchanged(self) -> None:
            raise DataError("it changed")

    both = join(CROSS, [dataset(), dataset(1)])
    both.check_unchanged()
    for parts in ((both.parts[0], Changed()), (Changed(), both.parts[1])):
        with pytest.raises(DataError, match="it changed"):
            replace(both, parts=parts).check_unchanged()
