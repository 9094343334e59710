"""Runs are chosen by columns and by settings, absent ones too."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import select_runs as script


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "method": ["a", "b", "c"],
            "split_settings": ['{"split.max_labelled": 16}', "{}", '{"split.max_labelled": null}'],
            "fit_settings": ['{"fit.epochs": 1}', '{"fit.epochs": 2}', ""],
        }
    )


@pytest.mark.parametrize(
    ("where", "methods"),
    [
        ({"fit.epochs": 2}, ["b"]),
        ({"fit.epochs": ["none", 1]}, ["a", "c"]),
        ({"split.max_labelled": 16}, ["a"]),
        ({"split.max_labelled": "none"}, ["b", "c"]),
        ({"method": ["a", "c"]}, ["a", "c"]),
        ({"method": ["a", "c"], "fit.epochs": "none"}, ["c"]),
    ],
)
def test_rows_are_chosen_by_columns_and_settings(
    frame: pd.DataFrame, where: dict[str, Any], methods: list[str]
) -> None:
    assert list(script.select(frame, where)["method"]) == methods


@pytest.mark.parametrize("rest", [{}, {"fit.epochs": 1}, {"fit.epochs": 1, "split.folds": 5}])
def test_no_row_left(frame: pd.DataFrame, rest: dict[str, Any]) -> None:
    with pytest.raises(LookupError, match=r"no record with \{'method': 'd'"):
        script.select(frame, {"method": "d"} | rest)


def test_an_unknown_column(frame: pd.DataFrame) -> None:
    with pytest.raises(LookupError, match="no column 'metod'; settings have a dotted key"):
        script.select(frame, {"metod": "a"})


def test_a_fold_under_several_settings_is_refused() -> None:
    runs = pd.DataFrame([("t", "m", 1, 0, "x"), ("t", "m", 1, 1, "x")], columns=script.RUN)
    assert script.under_one_setting(runs) is runs
    with pytest.raises(LookupError, match=r"under several settings \(m on t\)"):
        script.under_one_setting(pd.concat([runs, runs.iloc[:1]]))
