"""Filters: one choice per property; views compute from the runs left."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from crossbench.registry.tasks import extra_tasks, load_tasks

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

_FILTERS = {
    "dimension": "Dimension",
    "modality": "Modality",
    "source": "Data source",
    "preset": "Preset",
    "protocol": "Protocol",
    "init": "Init",
}
# What a plain baseline has no part in; it stays as long as its task does.
_NETWORK_ONLY = ("protocol", "init")


def filtered(frame: pd.DataFrame, *, key: str) -> pd.DataFrame:
    """The runs that the reader wants to see; nothing chosen means everything.

    Args:
        frame: Runs, with the columns of ``to_frame``.
        key: Prefix of the choices' names, unique on the page.
    """
    runs = frame.assign(modality=frame["task"].map(_modalities()).fillna("unknown"))
    plain = runs["protocol"] == "plain"
    kept = plain | ~plain
    for place, (column, label) in zip(st.columns(3) * 2, _FILTERS.items(), strict=True):
        networks_only = column in _NETWORK_ONLY
        options = sorted(
            runs.loc[~plain, column].unique() if networks_only else runs[column].unique()
        )
        chosen = place.multiselect(
            label, options, placeholder="all", key=f"{key}-{column}", format_func=_words(column)
        )
        if chosen:
            kept &= runs[column].isin(chosen) | (plain & networks_only)
    return frame[kept]


def _modalities() -> dict[str, str]:
    cards = [*load_tasks().values(), *extra_tasks().values()]
    return {card.name: card.modality for card in cards}


def _words(column: str) -> Callable[[object], str]:
    return "{}D".format if column == "dimension" else str
