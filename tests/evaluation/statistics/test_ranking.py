from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scikit_posthocs
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from crossbench.errors import StatisticsError
from crossbench.evaluation.statistics import (
    critical_difference,
    friedman,
    holm,
    pairwise,
    signed_rank,
    summarise,
    tied_groups,
)


def board(rng: np.random.Generator, tasks: int, shifts: list[float]) -> pd.DataFrame:
    values = rng.normal(size=(tasks, len(shifts))) + shifts
    return pd.DataFrame(
        values,
        index=[f"task{i}" for i in range(tasks)],
        columns=[f"method{j}" for j in range(len(shifts))],
    )


@pytest.mark.parametrize(("tasks", "expected"), [(8, 1.66), (9, 1.56), (17, 1.14)])
def test_critical_difference_of_four_methods(tasks: int, expected: float) -> None:
    assert critical_difference(4, tasks) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(("methods", "quantile"), [(2, 1.960), (3, 2.343), (5, 2.728), (10, 3.164)])
def test_critical_difference_uses_demsars_table(methods: int, quantile: float) -> None:
    # Demšar (2006), table 5a, alpha = 0.05.
    scale = np.sqrt(methods * (methods + 1) / (6 * 12))
    assert critical_difference(methods, 12) / scale == pytest.approx(quantile, abs=0.0015)


@given(st.integers(6, 12), st.integers(3, 6), st.integers(0, 2**32))
def test_friedman_and_nemenyi_are_those_of_scipy_and_scikit_posthocs(
    tasks: int, methods: int, seed: int
) -> None:
    # Coarse scores, so that ties occur.
    rng = np.random.default_rng(seed)
    scores = board(rng, tasks, np.linspace(0, 2, methods).tolist()).round(0)
    if (scores.nunique(axis=1) == 1).all():
        return
    found = friedman(scores)
    expected = stats.friedmanchisquare(*scores.to_numpy().T)
    assert found.statistic == pytest.approx(expected.statistic)
    assert found.p_value == pytest.approx(expected.pvalue)
    ranks = stats.rankdata(-scores.to_numpy(), axis=1).mean(axis=0)
    assert found.mean_ranks == pytest.approx(dict(zip(scores.columns, ranks, strict=True)))
    assert list(found.mean_ranks.values()) == sorted(ranks)
    reference = scikit_posthocs.posthoc_nemenyi_friedman(scores)
    for first in scores.columns:
        for second in scores.columns:
            apart = abs(found.mean_ranks[first] - found.mean_ranks[second])
            differ = apart >= found.critical_difference
            assert differ == (reference.loc[first, second] <= 0.05)


def test_groups_join_what_the_pairwise_tests_do_not_part() -> None:
    # Eight tasks in one order: each pair has p = 2 / 2**8, which Holm over six pairs passes.
    scores = pd.DataFrame([[4, 3, 2, 1]] * 8, columns=list("abcd"))
    assert tied_groups(scores) == ()
    # c and d change places once in eight, so that they are not told apart.
    scores.loc[0, ["c", "d"]] = [1, 2]
    assert tied_groups(scores) == (("c", "d"),)


def test_no_group_joins_methods_that_any_pair_of_it_parts() -> None:
    # b lies between a and c; a and c are not told apart, b is from c.
    a, c = [9, 9, 9, 9, 9, 9, 1, 1], [8, 8, 8, 8, 8, 8, 2, 2]
    scores = pd.DataFrame({"a": a, "b": [each + 0.5 for each in c], "c": c})
    assert tied_groups(scores) == (("a", "b"), ("a", "c"))


def test_where_no_pair_can_be_parted_all_are_joined() -> None:
    """Nemenyi's test would part them; Holm over ten pairs of eight tasks never can."""
    scores = pd.DataFrame([[5, 4, 3, 2, 1]] * 8, columns=list("abcde"))
    tests = pairwise(scores)
    assert [each.smallest_holm for each in tests] == [2**-7 * 10] * 10
    assert [each.p_holm for each in tests] == [0.078125] * 10
    found = friedman(scores)
    assert found.mean_ranks["e"] - found.mean_ranks["a"] > found.critical_difference
    assert tied_groups(scores) == (tuple("abcde"),)


def test_agreement_of_all_tasks_is_the_smallest_p_and_full_effect() -> None:
    found = friedman(pd.DataFrame([[0.9, 0.8, 0.7, 0.6]] * 8, columns=list("abcd")))
    assert found.p_value == pytest.approx(found.smallest_p)
    assert found.effect_size == pytest.approx(1.0)
    assert found.sentence() == (
        "N = 8 tasks, 4 methods: Friedman p = 2.5e-05 (smallest attainable 2.5e-05), Kendall's W "
        "1.00; mean ranks: a 1.00, b 2.00, c 3.00, d 4.00; Nemenyi's critical difference 1.66 "
        "(5 %), a scale that parts no methods here."
    )


def test_all_ties_have_p_one() -> None:
    found = friedman(pd.DataFrame(0.5, index=range(6), columns=list("abc")))
    assert (found.statistic, found.p_value) == (0.0, 1.0)


def test_lower_is_better_reverses_the_ranks(rng: np.random.Generator) -> None:
    scores = board(rng, 7, [0, 1, 2])
    assert friedman(scores, higher_is_better=False).mean_ranks == friedman(-scores).mean_ranks
    for one, other in zip(pairwise(scores, higher_is_better=False), pairwise(-scores), strict=True):
        assert one == other


def test_pairwise_is_holm_over_the_declared_family(rng: np.random.Generator) -> None:
    scores = board(rng, 9, [0, 1, 2])
    tests = pairwise(scores)
    assert [(each.baseline, each.candidate) for each in tests] == [
        ("method0", "method1"),
        ("method0", "method2"),
        ("method1", "method2"),
    ]
    adjusted = holm({i: each.test.p_value for i, each in enumerate(tests)})
    for i, each in enumerate(tests):
        assert each.test == signed_rank(scores[each.baseline], scores[each.candidate])
        assert each.p_holm == adjusted[i]
    (only,) = pairwise(scores, [("method2", "method0")])
    assert only.p_holm == only.test.p_value
    assert only.test.effect_size == -tests[1].test.effect_size


def test_pair_in_words() -> None:
    scores = pd.DataFrame({"acs": np.zeros(8), "crossd": np.arange(1, 9), "conv3d": -np.ones(8)})
    assert pairwise(scores)[0].sentence() == (
        "crossd against acs over N = 8 tasks: rank-biserial correlation +1.00, Wilcoxon "
        "signed-rank p = 0.0078 (smallest attainable 0.0078), 0.023 after Holm over 3 pairs "
        "(smallest attainable 0.023)."
    )


def test_summary_ranks_and_recomputes_them_on_what_remains(rng: np.random.Generator) -> None:
    scores = board(rng, 8, [0, 3, 1])
    rows = summarise(scores, rng=rng)
    assert [row.method for row in rows] == ["method1", "method2", "method0"]
    for row in rows:
        assert row.mean.value == pytest.approx(scores[row.method].mean())
        middle = scores[row.method].sort_values()[2:6].mean()
        assert row.interquartile_mean.value == pytest.approx(middle)
        if row.mean_rank.low is not None:
            assert 1 <= row.mean_rank.low <= row.mean_rank.value <= row.mean_rank.high <= 3
    two = summarise(scores[["method0", "method2"]], rng=rng)
    assert sum(row.mean_rank.value for row in two) == pytest.approx(3)


def test_ranks_that_do_not_vary_have_no_interval(rng: np.random.Generator) -> None:
    first, second, _ = summarise(
        pd.DataFrame([[3, 2, 1], [3, 1, 2]] * 4, columns=list("abc")), rng=rng
    )
    assert (first.mean_rank.value, first.mean_rank.low) == (1, None)
    assert second.mean_rank.low is not None


def test_summary_of_few_tasks_describes_without_intervals(rng: np.random.Generator) -> None:
    first = summarise(board(rng, 5, [0, 1]), rng=rng)[0]
    assert first.tasks == 5
    assert first.mean.low is None
    assert first.mean_rank.low is None


@given(st.integers(2, 6), st.integers(1, 5), st.integers(0, 2**32))
def test_mean_ranks_sum_to_those_of_a_ranking(methods: int, tasks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = summarise(board(rng, tasks, [0.0] * methods).round(0), rng=rng)
    assert sum(row.mean_rank.value for row in rows) == pytest.approx(methods * (methods + 1) / 2)


def test_incomplete_tables_are_refused(rng: np.random.Generator) -> None:
    scores = board(rng, 6, [0, 1, 2])
    holed = scores.copy()
    holed.loc["task2", "method1"] = np.nan
    for procedure in (friedman, pairwise, lambda table: summarise(table, rng=rng)):
        with pytest.raises(StatisticsError, match=r"1 of 18 scores are missing.*method1 on task2"):
            procedure(holed)
        with pytest.raises(StatisticsError, match="task 'task0' occurs twice"):
            procedure(pd.concat([scores, scores]))
        with pytest.raises(StatisticsError, match="method 'method0' occurs twice"):
            procedure(pd.concat([scores, scores], axis=1))
        with pytest.raises(StatisticsError, match="1 method in the table of scores"):
            procedure(scores[["method0"]])


def test_too_few_tasks_or_methods_are_refused(rng: np.random.Generator) -> None:
    with pytest.raises(StatisticsError, match="no claim over tasks: N = 5"):
        friedman(board(rng, 5, [0, 1, 2]))
    with pytest.raises(StatisticsError, match="no claim over tasks: N = 5"):
        pairwise(board(rng, 5, [0, 1, 2]))
    with pytest.raises(StatisticsError, match="2 methods: Friedman's test needs three"):
        friedman(board(rng, 6, [0, 1]))
    with pytest.raises(StatisticsError, match="alpha is 5; give a value between 0 and 1"):
        friedman(board(rng, 6, [0, 1, 2]), alpha=5)
