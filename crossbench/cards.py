"""Strict reading of TOML into specs: every error names the file and the key.

One reader serves task cards, presets and ``--set`` overrides: a dataclass is the schema.
Unknown keys, missing keys and wrong types are errors; nothing is coerced but whole
numbers where a float is wanted and arrays where a tuple is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import re
import tomllib
import types
import typing
from collections import defaultdict
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from crossbench.entries import KEBAB_CASE, missing_task_packages, task_folders
from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.specs import Preset, TaskCard
from crossbench.toml import read_toml, shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

#: Length of a hexadecimal digest by the algorithm that a card may name.
_DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_LONGEST_NAME = 100  # characters of a key in a message
_PRESET_FOLDER = Path(__file__).parent / "presets"

#: Upper bounds on counts: far above any use, and low enough that nothing hangs or runs out of
#: memory before it can say why.
MOST_THREADS = 1024
MOST_EPOCHS = 100_000
MOST_SEEDS = MOST_FOLDS = 1000


# ---------------------------------------------------------------------------- tasks


def load_tasks() -> dict[str, TaskCard]:
    """All registered task cards by name, in the order of their packages and files.

    A card that cannot be read does not keep the others from loading; :func:`task_faults`
    tells what is wrong with it.
    """
    return dict(_registered()[0])


def task_faults() -> tuple[str, ...]:
    """What keeps registered cards from loading, one message each; empty when all is well."""
    return _registered()[1]


def find_task(name: str) -> TaskCard:
    """The card of a registered task, or of the card file that ``name`` is a path to.

    Raises:
        RequestError: If no task has this name, with the nearest names and with what keeps
            other cards from loading.
        CardError: If the file is malformed.
    """
    if name.endswith(".toml"):
        return load_card(Path(name))
    cards = load_tasks()
    if name not in cards:
        raise RequestError("\n".join([str(unknown_name("task", name, cards)), *task_faults()]))
    return cards[name]


def load_card(file: Path) -> TaskCard:
    """Read and check one task card.

    Raises:
        CardError: If the file is unreadable, or a key is missing, unknown, of the wrong
            type, or at odds with another key.
    """
    card = from_mapping(TaskCard, read_toml(file), where=str(file))
    _check_card(card, where=str(file))
    return dataclasses.replace(card, path=file.resolve())


@cache
def _registered() -> tuple[dict[str, TaskCard], tuple[str, ...]]:
    """The cards that load, by name, and a message for each that does not."""
    faults = list(missing_task_packages())
    found: dict[str, list[TaskCard]] = defaultdict(list)
    for folder in task_folders().values():
        for file in sorted(folder.glob("*.toml"), key=lambda file: file.stem):
            try:
                card = load_card(file)
            except CardError as error:
                faults.append(str(error))
            else:
                found[card.name].append(card)
    for name, cards in found.items():
        if len(cards) > 1:  # neither may pass for the other
            files = " and ".join(str(card.path) for card in cards)
            faults.append(f"task {name!r} is declared by {files}; remove or rename one of them")
    return {name: cards[0] for name, cards in found.items() if len(cards) == 1}, tuple(faults)


def _check_card(card: TaskCard, *, where: str) -> None:
    count, axes, embedded = len(card.classes), card.dimension, card.embedded
    check(
        card,
        ("name", KEBAB_CASE.fullmatch(card.name), "it must be in kebab case: 'brain-tumor'"),
        ("version", card.version >= 1, "versions count from 1"),
        ("classes", count >= 2, "a task has two or more"),
        ("classes", len(set(card.classes)) == count, "each name must differ from the others"),
        ("classes", count == 2 or not embedded, "an embedded source is thresholded into two"),
        ("samples", min(card.samples.values(), default=1) >= 1, "counts are positive"),
        (
            "class_counts",
            card.class_counts is None or _are_sizes(card.class_counts, count),
            f"it must be one positive count for each of the {count} classes",
        ),
        (
            "shape",
            card.shape is None or _are_sizes(card.shape, axes),
            f"it must be {axes} positive lengths, for dimension is {axes}",
        ),
        ("channels", card.channels in (None, 1, 2, 3), "it must be 1, 2 or 3"),
        (
            "intensity",
            card.intensity is None or card.intensity[0] < card.intensity[1],
            "it must be [lowest, highest]",
        ),
        (
            "input_size",
            card.input_size is None or (card.input_size >= 1 and axes == 2),
            "it must be a positive side length of a 2D task; volumes are fed as stored",
        ),
        *_source_checks(card),
        *_checksum_checks(card),
        where=where,
    )


def _source_checks(card: TaskCard) -> list[tuple[str, object, str]]:
    """Each kind of source takes its own keys and refuses the others'."""
    source = card.source
    orders = {2: ("HW", "DHW") if card.embedded else ("HW",), 3: ("DHW",)}[card.dimension]
    whether = "an embedded source needs it" if card.embedded else "only an embedded source takes it"
    return [
        *(
            (f"source.{key}", (getattr(source, key) is not None) == card.embedded, whether)
            for key in ("images", "label", "threshold")
        ),
        *(
            (f"source.{key}", card.embedded or not getattr(source, key), whether)
            for key in ("minimum", "covariate", "invert")
        ),
        ("source.permute", card.embedded or source.permute is None, whether),
        ("source.permute", (source.permute or 0) >= 0, "it must be a seed, 0 or above"),
        ("source.url", source.url is None or not card.embedded, "an embedded file is not fetched"),
        (
            "source.axes",
            source.axes is None or sorted(source.axes) in map(sorted, orders),
            f"it must be the letters of {' or of '.join(orders)} in their stored order",
        ),
    ]


def _checksum_checks(card: TaskCard) -> list[tuple[str, object, str]]:
    known = ", ".join(_DIGESTS)
    return [
        (
            "checksum",
            algorithm in _DIGESTS and re.fullmatch(f"[0-9a-fA-F]{{{_DIGESTS[algorithm]}}}", digest),
            f"it must be hexadecimal digests by algorithm, of {known}",
        )
        for algorithm, digest in card.checksum.items()
    ]


def _are_sizes(values: tuple[int, ...], length: int) -> bool:
    return len(values) == length and min(values) >= 1


# -------------------------------------------------------------------------- presets


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


def overridden(spec: Any, settings: Sequence[str], *, example: str) -> dict[str, Any]:
    """A spec as a mapping, with ``key=value`` settings replaced; the values are not yet checked.

    Raises:
        RequestError: If a setting is not of that form, as ``example`` is, or names an unknown key.
    """
    mapping = to_mapping(spec)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            msg = f"--set {setting!r} is not of the form KEY=VALUE, such as {example}"
            raise RequestError(msg)
        _replace(mapping, key.strip(), _toml_value(text.strip()))
    return mapping


def _replace(mapping: dict[str, Any], dotted: str, value: Any) -> None:
    if dotted in {"name", "title"}:
        msg = f"--set {dotted}: a preset's {dotted} cannot be overridden"
        raise RequestError(msg)
    *sections, last = dotted.split(".")
    table: Any = mapping
    for section in sections:
        table = table.get(section) if isinstance(table, dict) else None
    if not isinstance(table, dict) or last not in table:
        raise unknown_name("setting", dotted, _dotted(mapping))
    table[last] = value


def _dotted(mapping: Mapping[str, Any], prefix: str = "") -> list[str]:
    names = []
    for key, value in mapping.items():
        section = isinstance(value, dict) and value
        names += _dotted(value, f"{prefix}{key}.") if section else [prefix + key]
    return names


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # a bare word; other values are checked, and named, later
        return text


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


# --------------------------------------------------------------- dataclass <-> mapping


def check(spec: Any, *checks: tuple[str, object, str], where: str) -> None:
    """Raise for the first check (dotted key, truth, demand) that does not hold.

    Raises:
        CardError: Naming ``where``, the key, its value and the demand.
    """
    for key, holds, demand in checks:
        if not holds:
            msg = f"{where}: key {key!r} is {shown(attrgetter(key)(spec))}; {demand}"
            raise CardError(msg)


def to_mapping(spec: Any) -> dict[str, Any]:
    """A spec as nested dicts and lists, the inverse of :func:`from_mapping`.

    Fields that do not count when specs are compared, such as the path of a card, are left out.
    """
    return {field.name: _plain(getattr(spec, field.name)) for field in _schema(spec)}


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return to_mapping(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def from_mapping(spec: type[T], mapping: Mapping[str, Any], *, where: str) -> T:
    """Build a spec from a mapping, checking every key and type.

    Args:
        spec: The dataclass that is the schema.
        mapping: What was read.
        where: File (and section) that error messages name.

    Raises:
        CardError: If a key is unknown, missing, or of the wrong type.
    """
    hints = _type_hints(spec)  # type: ignore[arg-type]  # mypy doubts that classes hash
    fields = {field.name: field for field in _schema(spec)}
    for key in mapping:
        if key not in fields:
            msg = f"{where}: {unknown_name('key', key[:_LONGEST_NAME], fields)}"
            raise CardError(msg)
    values = {}
    for name, field in fields.items():
        if name in mapping:
            values[name] = _checked(hints[name], mapping[name], where=where, key=name)
        elif _required(field):
            msg = f"{where}: required key {name!r} is missing"
            raise CardError(msg)
    return spec(**values)


@cache  # resolving annotations costs more than checking a record against them
def _type_hints(spec: Any) -> dict[str, Any]:
    return typing.get_type_hints(spec)


def _schema(spec: Any) -> list[dataclasses.Field[Any]]:
    return [field for field in dataclasses.fields(spec) if field.compare]


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _checked(hint: Any, value: Any, *, where: str, key: str) -> Any:
    """``value`` as the type that ``hint`` asks for, or an error naming file and key."""
    if hint is Any or type(value) is hint:
        return value
    origin, arguments = _parts(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (each for each in arguments if each is not types.NoneType)
        return None if value is None else _checked(inner, value, where=where, key=key)
    nested = _checked_nested(hint, value, where=where, key=key)
    if nested is not None:
        return nested
    if hint is float and type(value) is int:
        with contextlib.suppress(OverflowError):
            return float(value)
    if _is_choice(hint, value):
        return value
    msg = f"{where}: key {key!r} is {shown(value)}; it must be {_describe(hint)}"
    raise CardError(msg)


def _checked_nested(hint: Any, value: Any, *, where: str, key: str) -> Any:
    """A table or an array, checked part by part; None where ``hint`` and ``value`` are not one."""
    origin, arguments = _parts(hint)
    if dataclasses.is_dataclass(hint) and isinstance(value, dict):
        return from_mapping(typing.cast("type[Any]", hint), value, where=f"{where}: [{key}]")
    if origin is tuple and isinstance(value, (list, tuple)):
        return _checked_tuple(arguments, value, where=where, key=key)
    if origin is dict and isinstance(value, dict):
        if arguments[1] is Any:
            return value
        return {
            name: _checked(arguments[1], item, where=where, key=f"{key}.{name}")
            for name, item in value.items()
        }
    return None


@cache  # taken apart again for every value, hints would cost half the time of reading a record
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    return typing.get_origin(hint), typing.get_args(hint)


def _is_choice(hint: Any, value: Any) -> bool:
    origin, arguments = _parts(hint)
    choices = arguments if origin is typing.Literal else ()
    return any(type(value) is type(choice) and value == choice for choice in choices)


def _checked_tuple(arguments: tuple[Any, ...], value: Any, *, where: str, key: str) -> Any:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        arguments = (arguments[0],) * len(value)
    if len(arguments) != len(value):
        msg = f"{where}: key {key!r} has {len(value)} entries; it must have {len(arguments)}"
        raise CardError(msg)
    return tuple(
        _checked(argument, item, where=where, key=f"{key}[{index}]")
        for index, (argument, item) in enumerate(zip(arguments, value, strict=True))
    )


def _describe(hint: Any) -> str:
    words = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(repr(argument) for argument in typing.get_args(hint))
    if typing.get_origin(hint) is tuple:
        return "an array"
    if typing.get_origin(hint) is dict or dataclasses.is_dataclass(hint):
        return "a table"
    return words.get(hint, str(hint))
