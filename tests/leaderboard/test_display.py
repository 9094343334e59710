"""Figures and tables with their downloads."""

from __future__ import annotations

import pandas as pd

from crossbench_leaderboard.display import _as_table, _rendered


def test_a_frame_becomes_a_table_that_latex_takes() -> None:
    frame = pd.DataFrame(
        {"Method": ["a_b & c", "d"], "Score": [0.51234, float("nan")], "Runs": [5, 4], "Why": None}
    )
    latex = _rendered(_as_table(frame, "Scores of 100 %"), "latex")
    assert r"a\_b \& c" in latex
    assert "0.5123" in latex
    assert "nan" not in latex
    assert r"100 \%" in latex


def test_an_empty_frame_is_an_empty_table() -> None:
    table = _as_table(pd.DataFrame({"Method": [], "Score": []}), "None")
    assert table.rows == ()
    assert [column.text for column in table.columns] == ["Score"]
