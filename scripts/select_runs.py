"""Runs of a frame, chosen by their columns and settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What tells the runs of one setting apart.
RUN = ["task", "method", "seed", "fold", "hash_split"]


def select(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of equal values: of a column, or with a dotted key of a setting.

    A list gives several values; a setting that a run has not, or leaves open, is ``none``.

    Raises:
        LookupError: If there is no such column, or no row is left.
    """
    chosen = frame
    for key, value in where.items():
        wanted = value if isinstance(value, list) else [value]
        chosen = chosen[_values(chosen, key).isin(wanted)]
    if chosen.empty:
        raise LookupError(f"no record with {dict(where)}")
    return chosen


def under_one_setting(frame: pd.DataFrame) -> pd.DataFrame:
    """The same runs.

    Raises:
        LookupError: If a fold was run under several settings.
    """
    several = frame[frame.duplicated(RUN, keep=False)]
    if not several.empty:
        what = ", ".join(sorted(set(several["method"] + " on " + several["task"])))
        raise LookupError(f"runs of the same folds under several settings ({what})")
    return frame


def _values(frame: pd.DataFrame, key: str) -> pd.Series[Any]:
    if "." not in key:
        if key not in frame:
            raise LookupError(f"runs have no column {key!r}; settings have a dotted key")
        return frame[key]
    columns = zip(frame["split_settings"], frame["fit_settings"], strict=True)
    return pd.Series([_setting(key, *each) for each in columns], frame.index, dtype=object)


def _setting(key: str, *settings: str) -> Any:
    found = [json.loads(each or "{}").get(key) for each in settings]
    return next((value for value in found if value is not None), "none")
