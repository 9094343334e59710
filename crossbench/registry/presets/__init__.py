"""Presets by name, and overrides of their settings."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.specs import Preset
from crossbench.specs.reader import check, from_mapping, overridden
from crossbench.specs.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PRESET_FOLDER = Path(__file__).parent

#: Upper bounds on counts: far above any use, and low enough that nothing hangs or runs out of
#: memory before it can say why.
MOST_THREADS = 1024

MOST_EPOCHS = 100_000

MOST_SEEDS = MOST_FOLDS = 1000


@cache
def load_presets() -> dict[str, Preset]:
    """The presets that ship with crossbench, by name."""
    presets = (_load_preset(file) for file in sorted(_PRESET_FOLDER.glob("*.toml")))
    return {preset.name: preset for preset in presets}


def find_preset(name: str) -> Preset:
    """The preset with this name.

    Raises:
        RequestError: If no preset has this name, with the nearest names.
    """
    presets = load_presets()
    if name not in presets:
        raise unknown_name("preset", name, presets)
    return presets[name]


def choose_preset(
    name: str,
    settings: Sequence[str] = (),
    *,
    seeds: Sequence[int] | None = None,
    folds: Sequence[int] | None = None,
) -> Preset:
    """A preset with overrides; seeds and folds are settings with a name of their own.

    Args:
        name: Registry name.
        settings: Overrides, as for :func:`override`.
        seeds: Repetitions; None leaves the preset's.
        folds: Folds of each repetition; None leaves the preset's.

    Raises:
        RequestError: If no preset has this name, or a setting is malformed or out of range.
    """
    preset = override(find_preset(name), settings)
    named = {"--seeds": ("split.seeds", seeds), "--folds": ("split.run_folds", folds)}
    for flag, (key, values) in named.items():
        if values is not None:
            preset = override(preset, [f"{key}={list(values)}"], where=flag)
    return preset


def _load_preset(file: Path) -> Preset:
    return _preset(read_toml(file), where=str(file))


def _preset(mapping: Mapping[str, Any], *, where: str) -> Preset:
    preset = from_mapping(Preset, mapping, where=where)
    _check_preset(preset, where=where)
    return preset


def override(preset: Preset, settings: Sequence[str], *, where: str = "--set") -> Preset:
    """A preset with ``section.key=value`` settings replaced; values are written as in TOML.

    Example:
        >>> override(find_preset("smoke"), ["fit.epochs=5"]).fit.epochs
        5

    Args:
        preset: The preset.
        settings: What is replaced.
        where: What error messages call the origin of the settings.

    Raises:
        RequestError: If a setting is not of that form, names an unknown key, or has a value
            of the wrong type or out of range; or names the main metric, which is a question
            to the records.
    """
    try:
        changed = _preset(overridden(preset, settings, example="fit.epochs=5"), where=where)
    except CardError as error:
        raise RequestError(str(error)) from error
    if changed.metric != preset.metric:
        raise RequestError(
            f"{where}: metric (={changed.metric!r}) is no setting of a run: every metric is in "
            f"every record; rank by it with `crossbench report DIR --metric {changed.metric}`"
        )
    return changed


def _check_preset(preset: Preset, *, where: str) -> None:
    split, inputs, fit, compute = preset.split, preset.input, preset.fit, preset.compute
    positive = "it must be at least 1"
    threads = f"it must be from 0 to {MOST_THREADS}"
    check(
        preset,
        (
            "split.folds",
            split.folds == 1 if split.scheme == "official" else split.folds >= 2,
            f"scheme {split.scheme!r} has {'one' if split.scheme == 'official' else 'two or more'}",
        ),
        ("split.seeds", _are_distinct(split.seeds), "seeds are whole numbers from 0, each once"),
        ("split.seeds", split.seeds != (), "at least one repetition is needed"),
        ("split.seeds", len(split.seeds) <= MOST_SEEDS, f"{MOST_SEEDS} at most"),
        ("split.seeds", max(split.seeds, default=0) < 2**32, "seeds are below 2**32"),
        ("split.folds", split.folds <= MOST_FOLDS, f"it must be at most {MOST_FOLDS}"),
        (
            "split.run_folds",
            _are_distinct(split.run_folds, below=split.folds),
            f"folds count from 0 to {split.folds - 1}, each once",
        ),
        ("split.validation", 0 < split.validation < 1, "it must be a share between 0 and 1"),
        (
            "split.max_labelled",
            split.max_labelled is None or split.max_labelled >= 4,
            "it must be at least 4",
        ),
        ("input.max_size", inputs.max_size is None or inputs.max_size >= 1, positive),
        ("input.max_samples", inputs.max_samples is None or inputs.max_samples >= 1, positive),
        (
            "input.crop_scale",
            0 < inputs.crop_scale[0] <= inputs.crop_scale[1] <= 1,
            "it must be [smallest, largest] share of the area",
        ),
        (
            "input.forked_workers",
            0 <= inputs.forked_workers <= MOST_THREADS,
            f"{threads}; 0 draws afresh",
        ),
        ("fit.epochs", 1 <= fit.epochs <= MOST_EPOCHS, f"it must be from 1 to {MOST_EPOCHS}"),
        ("fit.batch_size", fit.batch_size >= 1, positive),
        ("fit.lr", 0 < fit.lr < math.inf, "it must be a positive number"),
        ("fit.weight_decay", 0 <= fit.weight_decay < math.inf, "it must not be negative"),
        ("fit.milestone", 0 <= fit.milestone <= 1, "it must be a share between 0 and 1"),
        ("fit.gamma", 0 < fit.gamma < math.inf, "it must be a positive number"),
        ("lora.rank", preset.lora.rank >= 1, positive),
        ("lora.alpha", 0 < preset.lora.alpha < math.inf, "it must be a positive number"),
        ("compute.threads", 0 <= compute.threads <= MOST_THREADS, f"{threads}; 0 takes every core"),
        ("compute.workers", 0 <= compute.workers <= MOST_THREADS, threads),
        where=where,
    )


def _are_distinct(values: tuple[int, ...], below: float = math.inf) -> bool:
    return len(set(values)) == len(values) and all(0 <= value < below for value in values)
