"""Settings of runs beside their preset's, and as words that ask for the same runs again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from crossbench.registry.presets import load_presets
from crossbench.results.records.frame import flat
from crossbench.results.records.identity import NOT_SPLIT, table_of
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.specs import RunRecord

#: Settings under ``compute`` that are a run's, and not the machine's.
COMPUTE = ("precision", "tf32")

_SECTIONS = ("input", "fit", "network", "lora", "fusion")


def beside_preset(preset: str, used: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, by dotted key, that differ from those of a preset.

    None where no preset of this name is registered: nothing is known to differ then. A limit that
    is not set (None) is no setting.
    """
    known = load_presets().get(preset)
    usual = flat(to_mapping(known)) if known else {}
    return {
        key: value
        for key, value in used.items()
        if key in usual and value is not None and value != usual[key]
    }


def overrides_of(record: RunRecord) -> tuple[str, ...]:
    """The overrides under which a run was made, as ``--set`` takes them."""
    differing = beside_preset(record.key.preset, _settings(record.provenance))
    return tuple(f"{key}={json.dumps(value)}" for key, value in differing.items())


def _settings(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """A record's settings under the names of a preset, but for those that choose among runs."""
    settings, split = table_of(provenance, "settings"), table_of(provenance, "split")
    return {
        **{f"split.{name}": value for name, value in split.items() if name not in NOT_SPLIT},
        "input.max_samples": provenance.get("max_samples"),
        **flat({name: settings.get(name, {}) for name in _SECTIONS}),
        **{f"compute.{name}": settings.get(name) for name in COMPUTE},
    }
