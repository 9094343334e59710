"""Comparisons as tables."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given

from crossbench.evaluation.statistics import compare_runs
from crossbench.results.boards.pairwise import verdict_frame, win_matrix

scores = st.sampled_from([0.1, 0.1 + 1e-15, 0.5, 0.9, np.nan])


@pytest.fixture
def comparison() -> Any:
    random = np.random.default_rng(0)
    rows = [
        (task, method, 43, fold, level + 0.01 * random.normal())
        for task in ("blood", "vessel")
        for method, level in (("acs", 0.6), ("crossd", 0.8))
        for fold in range(5)
        if (task, method, fold) != ("vessel", "acs", 2)
    ]
    frame = pd.DataFrame(rows, columns=["task", "method", "seed", "fold", "score"])
    return compare_runs(frame, baseline="acs", candidate="crossd", metric="accuracy", folds=5)


def test_a_comparison_is_a_row_a_task(comparison: Any) -> None:
    frame = verdict_frame(comparison).set_index("task")
    blood, vessel = frame.loc["blood"], frame.loc["vessel"]
    verdict = comparison.tasks[0]
    assert blood["verdict"] == blood["found"] == "better"
    assert blood["detectable"] == verdict.detectable > 0
    assert blood["low"] < blood["gain"] == verdict.test.gain.value < blood["high"]
    assert sum(blood[["better", "equivalent", "worse"]]) == pytest.approx(1)
    assert (blood["p_holm"], blood["runs"], blood["reason"]) == (verdict.p_holm, 5, "")
    assert vessel["verdict"] == "not comparable"
    assert np.isnan(vessel["gain"])
    assert "acs on vessel has no score in 1 of 5 runs" in vessel["reason"]


@given(st.lists(st.lists(scores, min_size=3, max_size=3), min_size=1, max_size=5))
def test_every_duel_is_counted_once_from_each_side(values: list[list[float]]) -> None:
    table = pd.DataFrame(values, columns=["a", "b", "c"], dtype=float)
    matrix, flipped = win_matrix(table), win_matrix(table, higher_is_better=False)
    for one, other in permutations(table, 2):
        wins, ties, losses = map(int, str(matrix.loc[one, other]).split(" / "))
        assert wins + ties + losses == table[[one, other]].dropna().shape[0]
        assert wins == (table[one] > table[other] + 1e-9).sum()
        assert matrix.loc[other, one] == flipped.loc[one, other] == f"{losses} / {ties} / {wins}"


def test_no_method_duels_with_itself() -> None:
    assert win_matrix(pd.DataFrame({"a": [0.5]})).loc["a", "a"] == "–"
