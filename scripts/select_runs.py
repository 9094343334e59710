"""Runs of a frame, chosen by their columns and settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def select(frame: pd.DataFrame, where: Mapping[str, Any]) -> pd.DataFrame:
    """Rows of equal values: of a column, or with a dotted key of a setting.

    A list gives several values; a setting that a run has not, or leaves open, is ``none``.

    Raises:
        LookupError: If no row is left.
    """
    chosen = frame
    for key, value in where.items():
        wanted = value if isinstance(value, list) else [value]
        if "." in key:
            chosen = chosen[[_setting(key, each) in wanted for each in chosen["fit_settings"]]]
        else:
            chosen = chosen[chosen[key].isin(wanted)]
    if chosen.empty:
        raise LookupError(f"no record with {dict(where)}")
    return chosen


def _setting(key: str, settings: str) -> Any:
    value = json.loads(settings or "{}").get(key)
    return "none" if value is None else value
