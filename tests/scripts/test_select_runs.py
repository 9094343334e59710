"""Runs are chosen by columns and by settings, absent ones too."""

from __future__ import annotations

import pandas as pd
import pytest
import select_runs as script


def test_rows_are_chosen_by_columns_and_settings() -> None:
    frame = pd.DataFrame(
        {"method": ["a", "b", "c"], "fit_settings": ['{"fit.epochs": 1}', '{"fit.epochs": 2}', ""]}
    )
    assert list(script.select(frame, {"fit.epochs": 2})["method"]) == ["b"]
    assert list(script.select(frame, {"fit.epochs": ["none", 1]})["method"]) == ["a", "c"]
    assert list(script.select(frame, {"method": ["a", "c"]})["method"]) == ["a", "c"]
    with pytest.raises(LookupError, match=r"no record with \{'method': 'd'\}"):
        script.select(frame, {"method": "d"})
