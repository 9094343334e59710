"""Strict reading of mappings into specs: every error names the file and the key."""

from __future__ import annotations

import contextlib
import dataclasses
import tomllib
import types
import typing
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.files.hashing import hash_json
from crossbench.specs.toml import shown

if typing.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")

_LONGEST_NAME = 100  # characters of a key in a message


def check(spec: Any, *checks: tuple[str, object, str], where: str) -> None:
    """Raise for the first check (dotted key, truth, demand) that does not hold.

    Raises:
        CardError: Naming ``where``, the key, its value and the demand.
    """
    for key, holds, demand in checks:
        if not holds:
            msg = f"{where}: key {key!r} is {shown(attrgetter(key)(spec))}; {demand}"
            raise CardError(msg)


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


def hash_spec(spec: Any) -> str:
    """SHA-256 (hex) of a spec's content."""
    return hash_json(to_mapping(spec))
