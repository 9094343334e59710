"""The command that gives one record once more."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from crossbench.cards import load_presets, to_mapping
from crossbench.results.frame import flat

if TYPE_CHECKING:
    from crossbench.specs import RunRecord

# Settings of a preset by their place in a record's provenance, where that is another.
_SPLIT = ("scheme", "folds", "validation")
_COMPUTE = ("precision", "tf32")


def run_command(record: RunRecord, out: str) -> str:
    """The shell command of one run; a plain baseline comes with the runs of every method.

    Args:
        record: The run.
        out: Results folder to write to.
    """
    key = record.key
    words = ["crossbench", "run", "--preset", key.preset, "--task", key.task]
    if not key.plain:
        words += ["--method", key.method, "--backbone", key.backbone]
        words += ["--init", key.init, "--protocol", key.protocol]
    words += ["--seeds", str(key.seed), "--folds", str(key.fold)]
    for name, value in _overrides(record).items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    return shlex.join([*words, "--out", out])


def _overrides(record: RunRecord) -> dict[str, Any]:
    """Settings by dotted key that are not those of the record's preset; nulls cannot be set."""
    preset = load_presets().get(record.key.preset)
    if preset is None:
        return {}
    usual = flat(to_mapping(preset))
    used = _settings(record.provenance)
    return {
        name: value
        for name, value in used.items()
        if name in usual and value != usual[name] and value is not None
    }


def _settings(provenance: dict[str, Any]) -> dict[str, Any]:
    """What a record says of its settings, under the names of a preset."""
    settings = provenance.get("settings") or {}
    split = provenance.get("split") or {}
    return {
        **flat({name: settings.get(name, {}) for name in ("input", "fit", "lora")}),
        **{f"compute.{name}": settings.get(name) for name in _COMPUTE},
        **{f"split.{name}": split.get(name) for name in _SPLIT},
        "input.max_samples": provenance.get("max_samples"),
    }
