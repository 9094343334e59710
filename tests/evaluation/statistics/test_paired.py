from __future__ import annotations

import baycomp
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics import corrected_mean, corrected_t, correlated_posterior


def scores(runs: int, gain: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(runs)
    baseline = rng.uniform(0.6, 0.9, runs)
    return baseline, baseline + rng.normal(gain, 0.02, runs)


@pytest.mark.parametrize(("repeats", "folds"), [(1, 2), (1, 10), (3, 5), (10, 10)])
@pytest.mark.parametrize("rope", [0.0, 0.01, 0.05])
def test_posterior_is_that_of_baycomp(repeats: int, folds: int, rope: float) -> None:
    baseline, candidate = scores(repeats * folds)
    expected = baycomp.two_on_single(baseline, candidate, rope=rope, runs=repeats)
    found = correlated_posterior(baseline, candidate, folds=folds, rope=rope)
    middle = [found.equivalent] if rope else []
    assert [found.worse, *middle, found.better] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("repeats", "folds"), [(1, 2), (1, 10), (3, 5), (10, 10)])
def test_p_is_twice_the_smaller_tail_of_baycomp(repeats: int, folds: int) -> None:
    baseline, candidate = scores(repeats * folds)
    tails = baycomp.two_on_single(baseline, candidate, runs=repeats)
    found = corrected_t(baseline, candidate, folds=folds)
    assert found.p_value == pytest.approx(2 * min(tails), abs=1e-9)


def test_many_folds_approach_the_plain_paired_t() -> None:
    # With n_test / n_train -> 0 there is no correction left.
    baseline, candidate = scores(12)
    plain = stats.ttest_rel(candidate, baseline)
    found = corrected_t(baseline, candidate, folds=10**9)
    interval = plain.confidence_interval(0.95)
    assert found.statistic == pytest.approx(plain.statistic, rel=1e-6)
    assert found.p_value == pytest.approx(plain.pvalue, rel=1e-6)
    assert (found.gain.low, found.gain.high) == pytest.approx((interval.low, interval.high), 1e-6)


def test_worked_example() -> None:
    # Gains 1, 2, 3 in hundredths over three folds: t = 2 / sqrt(1 (1/3 + 1/2)) at df = 2.
    found = corrected_t([0.5, 0.5, 0.5], [0.51, 0.52, 0.53], folds=3)
    assert found.statistic == pytest.approx(2 / np.sqrt(5 / 6))
    assert found.gain.value == pytest.approx(0.02)
    assert found.effect_size == pytest.approx(2.0)
    assert found.error == pytest.approx(0.01 * np.sqrt(5 / 6))
    assert found.runs == 3


@given(st.integers(2, 30), st.integers(2, 10), st.floats(-0.1, 0.1), st.integers(0, 2**32))
def test_exchanging_the_methods_mirrors_everything(
    runs: int, folds: int, gain: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    baseline = rng.uniform(size=runs)
    candidate = rng.uniform(size=runs) + gain
    one, other = (
        corrected_t(*pair, folds=folds) for pair in ((baseline, candidate), (candidate, baseline))
    )
    assert one.p_value == pytest.approx(other.p_value)
    assert one.gain.value == pytest.approx(-other.gain.value)
    assert one.gain.low == pytest.approx(-other.gain.high)
    assert one.effect_size == pytest.approx(-other.effect_size)
    first = correlated_posterior(baseline, candidate, folds=folds, rope=0.01)
    second = correlated_posterior(candidate, baseline, folds=folds, rope=0.01)
    assert first.better == pytest.approx(second.worse, abs=1e-12)
    assert first.equivalent == pytest.approx(second.equivalent, abs=1e-12)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=20), st.integers(2, 10))
def test_p_interval_and_posterior_agree(gains: list[float], folds: int) -> None:
    gains = np.round(gains, 6).tolist()
    assume(len(set(gains)) > 1)
    zeros = np.zeros(len(gains))
    test = corrected_t(zeros, gains, folds=folds)
    posterior = correlated_posterior(zeros, gains, folds=folds, rope=0.01)
    assert 0 <= test.p_value <= 1
    assert (test.p_value < 0.05) == (test.gain.low > 0 or test.gain.high < 0)
    assert posterior.worse + posterior.equivalent + posterior.better == pytest.approx(1)


def test_p_grows_as_the_training_sets_overlap_more() -> None:
    baseline, candidate = scores(20)
    by_folds = [corrected_t(baseline, candidate, folds=k).p_value for k in (20, 10, 5, 2)]
    assert by_folds == sorted(by_folds)


def test_identical_scores_have_p_one_and_are_equivalent() -> None:
    same = [0.7, 0.8, 0.9]
    found = corrected_t(same, same, folds=3)
    assert found.identical
    assert (found.p_value, found.gain.value, found.gain.low) == (1.0, 0.0, None)
    assert found.effect_size is None
    assert correlated_posterior(same, same, folds=3, rope=0.01).equivalent == 1.0
    undecided = correlated_posterior(same, same, folds=3, rope=0.0)
    assert (undecided.worse, undecided.equivalent, undecided.better) == (0.5, 0.0, 0.5)


def test_rounding_noise_is_not_spread() -> None:
    # 0.1 + 0.2 - 0.3 is 5.6e-17, not 0.
    assert corrected_t([0.3, 0.4], [0.1 + 0.2, 0.4], folds=2).identical


def test_constant_gain_is_no_number() -> None:
    with pytest.raises(StatisticsError, match=r"all 3 runs differ by exactly \+0.02"):
        corrected_t([0.5, 0.6, 0.7], [0.52, 0.62, 0.72], folds=3)


@pytest.mark.parametrize(
    ("baseline", "candidate", "message"),
    [
        ([0.5, 0.6], [0.5, 0.6, 0.7], r"shapes \(2,\) and \(3,\) are not paired"),
        ([[0.5, 0.6]], [[0.5, 0.6]], r"shapes \(1, 2\) and \(1, 2\) are not paired"),
        ([0.5, 0.6], [0.5, np.nan], r"candidate scores: found 1 of 2 values that are not finite"),
        ([0.5, np.inf], [0.5, 0.6], r"baseline scores: found 1 of 2 values that are not finite"),
        ([0.5], [0.6], r"1 paired run; a comparison needs at least two"),
        ([], [], r"baseline scores: found none"),
    ],
)
def test_unusable_scores_are_refused(baseline: list, candidate: list, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        corrected_t(baseline, candidate, folds=5)
    with pytest.raises(StatisticsError, match=message):
        correlated_posterior(baseline, candidate, folds=5, rope=0.01)


def test_unusable_settings_are_refused() -> None:
    baseline, candidate = scores(6)
    with pytest.raises(StatisticsError, match=r"1 fold: a single split .* not over samples"):
        corrected_t(baseline, candidate, folds=1)
    with pytest.raises(StatisticsError, match=r"folds is 5.5; give a whole number"):
        corrected_t(baseline, candidate, folds=5.5)
    with pytest.raises(StatisticsError, match=r"rope is -0.1; give a half-width of 0 or more"):
        correlated_posterior(baseline, candidate, folds=3, rope=-0.1)
    with pytest.raises(StatisticsError, match=r"rope is nan"):
        correlated_posterior(baseline, candidate, folds=3, rope=float("nan"))
    with pytest.raises(StatisticsError, match=r"confidence is 95; give a value between 0 and 1"):
        corrected_t(baseline, candidate, folds=3, confidence=95)


@pytest.mark.parametrize("runs", [2, 5, 15])
@pytest.mark.parametrize("family", [1, 12, 48])
def test_the_detectable_gain_is_found_four_times_in_five(runs: int, family: int) -> None:
    """Against Boost's noncentral t; few runs and small levels are where solvers go astray."""
    rng = np.random.default_rng(runs)
    found = corrected_t(rng.normal(size=runs), rng.normal(size=runs), folds=5)
    shift = found.detectable(family=family) / found.error
    reach = stats.t.isf(0.025 / family, runs - 1)
    assert stats.nct.sf(reach, runs - 1, shift) == pytest.approx(0.8, abs=1e-4)


def test_simulated_gains_of_that_size_are_found_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    shared, own = rng.standard_normal((2000, 1)), rng.standard_normal((2000, 15))
    noise = np.sqrt(0.2) * shared + np.sqrt(0.8) * own
    # The variance of the mean of 15 gains with correlation 1/5, where each has variance 1.
    error = np.sqrt(0.2 + 0.8 / 15)
    unit = corrected_t(np.zeros(15), noise[0], folds=5)
    gain = error * unit.detectable(family=6) / unit.error
    p_values = [corrected_t(np.zeros(15), row + gain, folds=5).p_value for row in noise]
    assert np.mean(np.array(p_values) <= 0.05 / 6) == pytest.approx(0.8, abs=0.03)


def test_equal_methods_have_no_detectable_gain() -> None:
    assert corrected_t([0.7, 0.8], [0.7, 0.8], folds=5).detectable(family=3) == 0.0


# ------------------------------------------------------------------- one method alone


@given(st.integers(2, 30), st.integers(2, 10), st.integers(0, 2**32))
def test_a_mean_has_the_interval_of_a_gain_over_nothing(runs: int, folds: int, seed: int) -> None:
    values = np.random.default_rng(seed).uniform(0.1, 0.9, runs)
    found = corrected_mean(values, folds=folds, confidence=0.9)
    gain = corrected_t(np.zeros(runs), values, folds=folds, confidence=0.9).gain
    assert found.value == pytest.approx(gain.value)
    assert (found.low, found.high) == pytest.approx((gain.low, gain.high))
    assert found.confidence == 0.9


def test_equal_scores_have_no_interval() -> None:
    found = corrected_mean([0.5, 0.5, 0.5], folds=3)
    assert (found.value, found.low, found.high) == (0.5, None, None)


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        ([0.5], {"folds": 3}, r"scores have shape \(1,\); an interval needs two runs"),
        ([[0.5, 0.6]], {"folds": 3}, r"scores have shape \(1, 2\)"),
        ([0.5, np.nan], {"folds": 3}, r"scores of the runs: found 1 of 2 values .* not finite"),
        ([0.5, 0.6], {"folds": 1}, r"1 fold: a single split"),
        ([0.5, 0.6], {"folds": 3, "confidence": 1.0}, r"confidence is 1.0"),
    ],
)
def test_means_without_an_interval_are_refused(values: list, settings: dict, message: str) -> None:
    with pytest.raises(StatisticsError, match=message):
        corrected_mean(values, **settings)
