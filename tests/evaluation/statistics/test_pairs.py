from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics import (
    Estimate,
    hodges_lehmann,
    holm,
    probability_of_improvement,
    rejected,
    signed_rank,
)


def enumerated_p(gains: np.ndarray) -> float:
    """Two-sided p from all sign patterns of the non-zero gains, in the plainest way."""
    moved = gains[gains != 0]
    ranks = stats.rankdata(np.abs(moved))
    sums = np.array(list(product((0, 1), repeat=len(moved)))) @ ranks
    seen = ranks[moved > 0].sum()
    return min(1.0, 2 * min(np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9)))


@given(st.lists(st.integers(-5, 5), min_size=6, max_size=10))
def test_p_is_exact_with_ties_and_zeros(steps: list[int]) -> None:
    gains = np.array(steps) / 100
    found = signed_rank(np.zeros(len(gains)), gains)
    assert found.zeros == steps.count(0)
    assert found.p_value == pytest.approx(enumerated_p(gains))
    assert found.p_value >= found.smallest_p


@pytest.mark.parametrize("tasks", [6, 8, 17, 40])
def test_p_without_ties_is_that_of_scipy(tasks: int, rng: np.random.Generator) -> None:
    baseline, candidate = rng.uniform(size=(2, tasks))
    expected = stats.wilcoxon(candidate, baseline, method="exact")
    found = signed_rank(baseline, candidate)
    assert found.p_value == pytest.approx(expected.pvalue)


def test_p_with_ties_is_that_of_scipys_permutations(rng: np.random.Generator) -> None:
    gains = rng.choice([-0.02, -0.01, 0.01, 0.02, 0.03], size=9)
    expected = stats.wilcoxon(gains, method=stats.PermutationMethod(n_resamples=2**9))
    assert signed_rank(np.zeros(9), gains).p_value == pytest.approx(expected.pvalue)


def test_p_of_many_ties_is_near_the_normal_approximation(rng: np.random.Generator) -> None:
    gains = rng.integers(-30, 34, size=100) / 100
    expected = stats.wilcoxon(gains, correction=True)
    found = signed_rank(np.zeros(100), gains)
    assert found.p_value == pytest.approx(expected.pvalue, rel=0.03)


@pytest.mark.parametrize(("tasks", "smallest"), [(6, 0.03125), (8, 0.0078125), (9, 0.00390625)])
def test_a_clean_sweep_reaches_the_smallest_p(tasks: int, smallest: float) -> None:
    found = signed_rank(np.zeros(tasks), np.linspace(0.01, 0.05, tasks))
    assert found.p_value == found.smallest_p == smallest
    assert found.effect_size == 1.0


@given(st.lists(st.floats(-1, 1), min_size=6, max_size=12))
def test_exchanging_the_methods_mirrors_the_effect(gains: list[float]) -> None:
    zeros = np.zeros(len(gains))
    one, other = signed_rank(zeros, gains), signed_rank(gains, zeros)
    assert one.p_value == pytest.approx(other.p_value)
    assert one.effect_size == pytest.approx(-other.effect_size)
    assert -1 <= one.effect_size <= 1


def test_identical_scores_have_p_one() -> None:
    found = signed_rank([0.7] * 6, [0.7] * 6)
    assert (found.p_value, found.smallest_p, found.effect_size, found.zeros) == (1, 1, 0, 6)


def test_five_tasks_carry_no_claim() -> None:
    with pytest.raises(StatisticsError, match=r"no claim over tasks: N = 5 .* at N = 5 is 0.062"):
        signed_rank(np.zeros(5), np.arange(5))


def test_missing_task_is_refused() -> None:
    with pytest.raises(StatisticsError, match="1 of 6 values that are not finite"):
        signed_rank(np.zeros(6), [0.1, 0.2, 0.3, 0.4, 0.5, np.nan])


def test_holm_adjusts_step_by_step_and_keeps_the_names() -> None:
    # Holm (1979): the smallest times 4, then 3, 2, 1, made monotone and at most 1.
    found = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.6})
    assert found == pytest.approx({"a": 0.04, "b": 0.09, "c": 0.09, "d": 0.6})
    assert list(found) == list("abcd")
    assert rejected({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.6}, 0.05) == {"a"}
    assert rejected({"a": 0.06}, 0.05) == rejected({}, 0.05) == set()


@settings(max_examples=20, deadline=None)  # statsmodels is slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    adjusted = multipletests(p_values, method="holm")[1]
    assert list(holm(dict(enumerate(p_values))).values()) == pytest.approx(adjusted.tolist())


def test_holm_over_six_pairs_at_eight_tasks_passes_on_a_clean_sweep_only() -> None:
    # 2 / 2**8 is below 0.05 / 6; the next smallest p, 4 / 2**8, is not.
    others = dict.fromkeys("bcdef", 1.0)
    assert holm({"a": 2 / 2**8, **others})["a"] <= 0.05
    assert holm({"a": 4 / 2**8, **others})["a"] > 0.05


@given(st.lists(st.integers(-50, 50), min_size=6, max_size=12, unique_by=abs))
def test_hodges_lehmanns_gain_has_the_sign_and_interval_of_the_test(steps: list[int]) -> None:
    gains = np.array(steps) / 100
    test, found = signed_rank(np.zeros(len(gains)), gains), hodges_lehmann(gains)
    if test.effect_size > 0:
        assert found.value >= 0
    shown = found.low is not None and (found.low > 0 or found.high < 0)
    assert shown == (test.p_value <= 0.05)
    if shown:
        assert found.value * test.effect_size > 0


def test_hodges_lehmanns_gain_may_contradict_the_mean() -> None:
    """Better on seven tasks, and far worse on one."""
    gains = np.array([0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, -0.005, -0.9])
    assert gains.mean() < 0 < hodges_lehmann(gains).value


def test_few_or_equal_gains_have_no_interval() -> None:
    assert hodges_lehmann([0.1, 0.2, 0.3, 0.0, 0.0, 0.0]) == Estimate(value=pytest.approx(0.2))
    assert hodges_lehmann([0.1] * 8).low is None
    assert hodges_lehmann([0.0] * 8) == Estimate(value=0.0)


def test_holm_refuses_what_is_no_family() -> None:
    with pytest.raises(StatisticsError, match="the family of p values: found none"):
        holm({})
    with pytest.raises(StatisticsError, match=r"p values lie in \[0.1, 1.2\], not \[0, 1\]"):
        holm({"a": 0.1, "b": 1.2})
    with pytest.raises(StatisticsError, match="1 of 2 values that are not finite"):
        holm({"a": 0.1, "b": float("nan")})


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(0, 5), min_size=1, max_size=8),
            st.lists(st.integers(0, 5), min_size=1, max_size=8),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_probability_of_improvement_is_the_mean_of_mann_whitneys_u(
    tasks: list[tuple[list[int], list[int]]],
) -> None:
    baseline, candidate = zip(*tasks, strict=True)
    shares = [stats.mannwhitneyu(y, x).statistic / (len(x) * len(y)) for x, y in tasks]
    found = probability_of_improvement(baseline, candidate)
    assert found.value == pytest.approx(np.mean(shares))


def test_probability_of_improvement_has_an_interval_from_six_tasks_on(
    rng: np.random.Generator,
) -> None:
    baseline, candidate = rng.normal(size=(6, 15)), rng.normal(0.5, 1, size=(6, 15))
    found = probability_of_improvement(baseline, candidate)
    assert found.low is not None
    assert 0 <= found.low < found.value < found.high <= 1
    assert probability_of_improvement(baseline[:5], candidate[:5]).low is None


def test_probability_of_improvement_refuses_unpaired_tasks(rng: np.random.Generator) -> None:
    with pytest.raises(StatisticsError, match="2 tasks of the baseline and 1 of the candidate"):
        probability_of_improvement([[0.5], [0.6]], [[0.5]])
    with pytest.raises(StatisticsError, match="candidate scores: found none"):
        probability_of_improvement([[0.5]], [[]])
