"""Settings of recorded runs, as words that ask for the same runs again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crossbench.registry.presets import choose_preset, find_preset
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossbench.specs import Preset, RunRecord

_WHICH_RUNS = ("seeds", "run_folds")
_SECTIONS = ("input", "fit", "lora")
_COMPUTE = ("precision", "tf32")


def overrides_of(record: RunRecord) -> tuple[str, ...]:
    """The overrides under which a run was made, as ``--set`` takes them.

    Raises:
        RequestError: If there is no such preset.
    """
    usual = to_mapping(find_preset(record.key.preset))
    return tuple(
        f"{section}.{name}={_word(value)}"
        for section, name, value in _recorded(record)
        if name in usual[section] and usual[section][name] != value
    )


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


def _recorded(record: RunRecord) -> Iterator[tuple[str, str, Any]]:
    """Every recorded setting: section, name and value."""
    known = record.provenance
    split, settings = _table(known, "split"), _table(known, "settings")
    yield from (("split", *item) for item in split.items() if item[0] not in _WHICH_RUNS)
    yield "input", "max_samples", known.get("max_samples")
    for section in _SECTIONS:
        yield from ((section, *item) for item in _table(settings, section).items())
    yield from (("compute", name, settings[name]) for name in _COMPUTE if name in settings)


def _word(value: Any) -> str:
    """A value as TOML has it: JSON's form, for what settings hold."""
    return json.dumps(value)


def _table(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = mapping.get(name)
    return value if isinstance(value, dict) else {}
