"""Presets of recorded runs, their overrides included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.registry.presets import choose_preset
from crossbench.results.records.overrides import overrides_of

if TYPE_CHECKING:
    from crossbench.specs import Preset, RunRecord


def preset_of(record: RunRecord, *, every_fold: bool = False) -> Preset:
    """The preset of a run with its overrides, for its seed alone.

    Args:
        record: The run's record.
        every_fold: Whether for all folds, and not for its own alone.

    Raises:
        RequestError: If there is no such preset, or it takes no such values.
    """
    key = record.key
    folds = () if every_fold else (key.fold,)
    return choose_preset(key.preset, overrides_of(record), seeds=(key.seed,), folds=folds)
