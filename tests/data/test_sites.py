from __future__ import annotations

import numpy as np
import pytest

from crossbench.data.sites import left_out, stratify
from crossbench.errors import SplitError

LABELS = np.array([0, 1] * 10)
SITE = np.array(["a"] * 10 + ["b"] * 8 + ["c", "d"])


def test_rare_strata_of_a_class_are_one_and_that_is_said() -> None:
    strata, notes = stratify(LABELS, SITE, None, 3)
    assert len(np.unique(strata)) == 6  # of either class: a, b, and the rest
    assert len(np.unique(strata[18:])) == 2
    assert notes[0] == (
        "class 0 has fewer than 3 samples or groups at site 'c': folds keep these together in "
        "proportion, and not each"
    )


def test_a_stratum_is_as_large_as_its_groups_are_many() -> None:
    one_group = np.where(SITE == "a", 0, np.arange(20))
    strata, notes = stratify(LABELS, SITE, one_group, 2)
    assert len(np.unique(strata)) == 4  # of either class: b, and the rest
    assert "at sites 'a', 'c'" in notes[0]


def test_each_site_of_two_classes_is_left_out_in_turn() -> None:
    parts, (note,) = left_out(LABELS, SITE, 2)
    assert [name for name, _, _ in parts] == ["a", "b"]
    for name, rest, own in parts:
        assert (SITE[own] == name).all()
        assert sorted([*rest, *own]) == list(range(20))
    assert note == (
        "sites of one class are trained on and never tested: 'c' has class 0 alone, 'd' has class "
        "1 alone"
    )


@pytest.mark.parametrize(
    ("site", "folds", "message"),
    [
        (None, 2, "no sites; choose scheme 'standard'"),
        (SITE, 5, "each of the 2 sites .* not 5; ask for split.folds=2 .*'d' has class 1 alone"),
        (np.array(["a"] * 20), 2, "1 sites, 1 of them with two classes or more, make no folds"),
        (np.array(["a", "b"] * 10), 2, "2 sites, 0 of them .*'a' has class 0 alone"),
    ],
)
def test_what_cannot_be_left_out_is_refused(
    site: np.ndarray | None, folds: int, message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        left_out(LABELS, site, folds)
