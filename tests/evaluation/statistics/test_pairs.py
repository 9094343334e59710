from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics import holm, probability_of_improvement, signed_rank


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


# statsmodels collects garbage in every call, which takes its time in a large process.
@settings(max_examples=15)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    found = holm(dict(enumerate(values)))
    assert list(found) == list(range(len(values)))
    expected = multipletests(values, method="holm")[1]
    assert list(found.values()) == pytest.approx(expected.tolist(), rel=1e-12, abs=0)


def test_holm_over_six_pairs_at_eight_tasks_passes_on_a_clean_sweep_only() -> None:
    # 2 / 2**8 is below 0.05 / 6; the next smallest p, 4 / 2**8, is not.
    others = dict.fromkeys("bcdef", 1.0)
    assert holm({"a": 2 / 2**8, **others})["a"] <= 0.05
    assert holm({"a": 4 / 2**8, **others})["a"] > 0.05


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
    found = probability_of_improvement(baseline, candidate, rng=np.random.default_rng(0))
    assert found.value == pytest.approx(np.mean(shares))


def test_probability_of_improvement_has_an_interval_from_six_tasks_on(
    rng: np.random.Generator,
) -> None:
    baseline, candidate = rng.normal(size=(6, 15)), rng.normal(0.5, 1, size=(6, 15))
    found = probability_of_improvement(baseline, candidate, rng=rng)
    assert found.low is not None
    assert 0 <= found.low < found.value < found.high <= 1
    assert probability_of_improvement(baseline[:5], candidate[:5], rng=rng).low is None


def test_probability_of_improvement_refuses_unpaired_tasks(rng: np.random.Generator) -> None:
    with pytest.raises(StatisticsError, match="2 tasks of the baseline and 1 of the candidate"):
        probability_of_improvement([[0.5], [0.6]], [[0.5]], rng=rng)
    with pytest.raises(StatisticsError, match="candidate scores: found none"):
        probability_of_improvement([[0.5]], [[]], rng=rng)
