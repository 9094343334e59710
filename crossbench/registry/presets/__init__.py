"""Presets by name, with what packages add for their methods, and overrides of their settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.registry.entries import preset_folders, while_installed
from crossbench.specs import Preset
from crossbench.specs.overrides import NO_FLAGS, Flag, overridden
from crossbench.specs.reader import check, from_mapping
from crossbench.specs.toml import read_toml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PRESET_FOLDER = Path(__file__).parent


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Part:
    """Settings of a package for its methods under a preset; see :class:`Preset`."""

    drop_keys: tuple[str, ...] = ()
    radimagenet_3d: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Parts:
    methods: dict[str, _Part]


@while_installed
def load_presets() -> dict[str, Preset]:
    """The presets that ship with crossbench, by name, with what packages add to them.

    A package that registers methods adds to a preset by ``<preset>.toml`` in a folder that it
    registers as ``crossbench.presets``, with a table ``[methods.NAME]`` for methods of its own.

    Raises:
        CardError: If a file is malformed or concerns another package's method.
    """
    files = sorted(_PRESET_FOLDER.glob("*.toml"), key=lambda file: file.stem)
    return {preset.name: _with_parts(preset) for preset in map(_load_preset, files)}


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
    flags = {"split.seeds": Flag("--seeds", seeds), "split.run_folds": Flag("--folds", folds)}
    return override(find_preset(name), settings, flags)


def override(
    preset: Preset, settings: Sequence[str], flags: Mapping[str, Flag] = NO_FLAGS
) -> Preset:
    """A preset with ``section.key=value`` settings replaced; values are written as in TOML.

    Example:
        >>> override(find_preset("smoke"), ["fit.epochs=5"]).fit.epochs
        5

    Args:
        preset: The preset.
        settings: What is replaced.
        flags: What flags of their own give, by key; they outweigh settings.

    Raises:
        RequestError: If a setting is not of that form, names an unknown key, or has a value
            of the wrong type or out of range; or names the main metric, which is a question
            to the records.
    """
    changed = overridden(preset, settings, example="fit.epochs=5", flags=flags)
    if changed.metric != preset.metric:
        raise RequestError(
            f"--set: metric (={changed.metric!r}) is no setting of a run: every metric is in "
            f"every record; rank by it with `crossbench report DIR --metric {changed.metric}`"
        )
    return changed


def _load_preset(file: Path) -> Preset:
    preset = from_mapping(Preset, read_toml(file), where=str(file))
    check(preset, where=str(file))
    return preset


def _with_parts(preset: Preset) -> Preset:
    """A preset with what the packages of methods add to it."""
    parts = dict(_parts(preset.name))
    drop_keys = {name: part.drop_keys for name, part in parts.items() if part.drop_keys}
    normalised = tuple(name for name, part in parts.items() if part.radimagenet_3d)
    inputs = dataclasses.replace(
        preset.input, radimagenet_3d=(*preset.input.radimagenet_3d, *normalised)
    )
    return dataclasses.replace(preset, input=inputs, drop_keys=preset.drop_keys | drop_keys)


def _parts(preset: str) -> Iterator[tuple[str, _Part]]:
    for package, (folder, own) in sorted(preset_folders().items()):
        file = folder / f"{preset}.toml"
        if not file.exists():
            continue
        for name, part in from_mapping(_Parts, read_toml(file), where=str(file)).methods.items():
            if name not in own:
                msg = f"{file}: table 'methods.{name}' is of no method that {package} registers"
                raise CardError(f"{msg}; remove it or register the method in its package")
            yield name, part
