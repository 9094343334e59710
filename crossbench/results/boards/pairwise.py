"""Comparisons as tables: a row a task of two methods, or a cell a pair of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from crossbench.evaluation.statistics import TaskVerdict
from crossbench.results.boards.table import NOTHING

if TYPE_CHECKING:
    from crossbench.evaluation.statistics import Comparison, NoVerdict

_ROUNDING = 12  # scores that differ by less do so by rounding alone


def verdict_frame(comparison: Comparison) -> pd.DataFrame:
    """One row a task of a comparison of two methods.

    Columns: ``task verdict``; ``found``, the same of the weights that the runs share where they
    do; ``gain low high``, the mean gain with its interval; ``better equivalent worse``, the
    posterior probabilities; ``p p_holm detectable runs``; and ``reason``, why a task gives no
    verdict. A number that is not there is NaN.
    """
    columns = {
        "found": "", "gain": np.nan, "low": np.nan, "high": np.nan,
        "better": np.nan, "equivalent": np.nan, "worse": np.nan,
        "p": np.nan, "p_holm": np.nan, "detectable": np.nan, "runs": np.nan, "reason": "",
    }  # fmt: skip
    rows = [
        {"task": verdict.task, "verdict": verdict.verdict} | columns | _entries(verdict)
        for verdict in comparison.tasks
    ]
    return pd.DataFrame(rows)


def _entries(verdict: TaskVerdict | NoVerdict) -> dict[str, Any]:
    if not isinstance(verdict, TaskVerdict):
        return {"reason": verdict.reason}
    gain, posterior = verdict.test.gain, verdict.posterior
    return {
        "found": verdict.found,
        "gain": gain.value,
        "low": np.nan if gain.low is None else gain.low,
        "high": np.nan if gain.high is None else gain.high,
        "better": posterior.better,
        "equivalent": posterior.equivalent,
        "worse": posterior.worse,
        "p": verdict.test.p_value,
        "p_holm": verdict.p_holm,
        "detectable": verdict.detectable,
        "runs": verdict.test.runs,
    }


def win_matrix(scores: pd.DataFrame, *, higher_is_better: bool = True) -> pd.DataFrame:
    """Wins, ties and losses over tasks of the row against the column, such as ``3 / 0 / 1``.

    Args:
        scores: A row a task, a column a method; NaN where a method lacks a run of the task,
            which then does not count for its pairs.
        higher_is_better: Direction of the metric.
    """
    values = scores.to_numpy(dtype=np.float64) * (1 if higher_is_better else -1)
    gains = np.round(values[:, :, None] - values[:, None, :], _ROUNDING)
    counts = [
        each.sum(axis=0).astype(str).astype(object) for each in (gains > 0, gains == 0, gains < 0)
    ]
    words = counts[0] + " / " + counts[1] + " / " + counts[2]
    np.fill_diagonal(words, NOTHING.text)
    return pd.DataFrame(words, index=scores.columns.rename("name"), columns=scores.columns)
