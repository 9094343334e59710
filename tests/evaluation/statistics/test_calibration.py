"""Error rates on simulated repeated cross-validation: five folds, three repetitions.

Gains of runs with overlapping training parts are equally correlated, with n_test / n = 1/5
(Nadeau and Bengio's assumption). Each test prints its rates: ``pytest -rP`` shows them.
"""

from __future__ import annotations

from itertools import combinations

import baycomp
import numpy as np
import pytest
from scipy import stats

from crossbench.evaluation.statistics import bootstrap_interval, corrected_t, holm, rejected

FOLDS, REPEATS, CORRELATION, LEVEL = 5, 3, 0.2, 0.05
RUNS = FOLDS * REPEATS


def simulated_gains(simulations: int, effect: float, seed: int) -> np.ndarray:
    """Gains (simulations, runs) of unit variance around ``effect``."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((simulations, 1)) * np.sqrt(CORRELATION)
    own = rng.standard_normal((simulations, RUNS)) * np.sqrt(1 - CORRELATION)
    return effect + shared + own


def rejections(gains: np.ndarray) -> np.ndarray:
    zeros = np.zeros(RUNS)
    return np.array([corrected_t(zeros, row, folds=FOLDS).p_value <= LEVEL for row in gains])


def test_true_null_is_rejected_at_the_nominal_rate() -> None:
    gains = simulated_gains(4000, effect=0.0, seed=0)
    corrected = rejections(gains).mean()
    plain = np.mean(stats.ttest_1samp(gains, 0.0, axis=1).pvalue <= LEVEL)
    print(f"true null rejected: corrected t {corrected:.1%}, plain paired t {plain:.1%}")
    assert 0.03 <= corrected <= 0.07
    assert plain > 0.25


@pytest.mark.parametrize("effect", [0.5, 1.0, 2.0])
def test_power_is_that_of_the_reference(effect: float) -> None:
    gains = simulated_gains(600, effect, seed=1)
    zeros = np.zeros(RUNS)
    reference = np.array(
        [2 * min(baycomp.two_on_single(zeros, row, runs=REPEATS)) <= LEVEL for row in gains]
    )
    found = rejections(gains)
    print(f"effect {effect:g} SD: power {found.mean():.1%}, baycomp {reference.mean():.1%}")
    np.testing.assert_array_equal(found, reference)


def test_interval_over_tasks_covers_where_the_percentile_interval_does_not() -> None:
    simulations, tasks = 300, 8
    rng = np.random.default_rng(2)
    values = rng.standard_normal((simulations, tasks))
    bounds = np.array([bootstrap_interval(row, rng=rng) for row in values])
    covered = np.mean((bounds[:, 0] <= 0) & (bounds[:, 1] >= 0))
    means = values[:, rng.integers(tasks, size=(999, tasks))].mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    percentile = np.mean((low <= 0) & (high >= 0))
    print(f"95 % intervals at N = 8 cover: expanded {covered:.1%}, percentile {percentile:.1%}")
    assert 0.91 <= covered <= 0.97
    assert percentile < covered


def test_ties_with_the_best_of_equal_methods_need_all_pairs() -> None:
    """The best is chosen by the scores that are tested, so its own pairs are no family."""
    simulations, methods = 500, 4
    pairs = list(combinations(range(methods), 2))
    scores = simulated_gains(simulations * methods, effect=0.0, seed=3)
    smallest = []
    for runs in scores.reshape(simulations, methods, RUNS):
        tests = {(a, b): corrected_t(runs[a], runs[b], folds=FOLDS).p_value for a, b in pairs}
        best = runs.mean(axis=1).argmax()
        own = {pair: p for pair, p in tests.items() if best in pair}
        of_all = min(p for pair, p in holm(tests).items() if best in pair)
        smallest.append((of_all, min(holm(own).values()), min(own.values())))
    rates = np.mean(np.array(smallest) <= LEVEL, axis=0)
    words = "{:.1%} with Holm over all pairs, {:.1%} over those with the best, {:.1%} without"
    print(f"some of {methods} equal methods is called worse than the best:", words.format(*rates))
    assert rates[0] <= 0.06
    assert rates[0] <= rates[1] < rates[2]


def test_a_board_of_equal_methods_shows_some_difference_in_one_of_twenty() -> None:
    """Four equal methods on eight tasks: a reader looks at every task, so all are one family."""
    boards, tasks, methods = 240, 8, 4
    pairs = list(combinations(range(methods), 2))
    scores = simulated_gains(boards * tasks * methods, effect=0.0, seed=4)
    wrong = []
    for board in scores.reshape(boards, tasks, methods, RUNS):
        tests = {
            (task, a, b): corrected_t(runs[a], runs[b], folds=FOLDS).p_value
            for task, runs in enumerate(board)
            for a, b in pairs
        }
        by_task = [{key: p for key, p in tests.items() if key[0] == task} for task in range(tasks)]
        each = any(rejected(family, LEVEL) for family in by_task)
        wrong.append((bool(rejected(tests, LEVEL)), each))
    together, apart = np.mean(wrong, axis=0)
    print(f"equal methods told apart on some of 8 tasks: {together:.1%}, by task {apart:.1%}")
    assert together <= 0.075  # 5 % and two standard errors
    assert apart > 2 * together
