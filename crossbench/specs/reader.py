"""Strict reading of mappings into specs: every error names the file, the key and its value.

msgspec checks the types; this names what it refuses, and unknown keys with the nearest known ones.
"""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

from crossbench.errors import CardError, unknown_name
from crossbench.errors.foreign import show

T = TypeVar("T")

#: A dotted key, whether its value holds, and what it must be.
Demand = tuple[str, object, str]

_LONGEST = 500  # characters of a value in a message
_LONGEST_NAME = 100  # characters of a key
_NONE: Mapping[str, str] = types.MappingProxyType({})
_TAG = "kind"  # key that chooses among the structs of a union
_STEPS = re.compile(r"\.(\w+)|\[(\d+|\.\.\.)\]")
_UNIONS = (types.UnionType, typing.Union)
_WORDS = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def check(spec: Any, *further: Demand, where: str, flags: Mapping[str, str] = _NONE) -> None:
    """Raise for the first of a spec's ``demands()``, or of further ones, that does not hold.

    Raises:
        CardError: Naming ``where``, or the flag of the key, the key, its value and the demand.
    """
    for key, holds, demand in (*spec.demands(), *further):
        if not holds:
            is_now = f"is {show(attrgetter(key)(spec), _LONGEST)}"
            raise CardError(f"{flags.get(key, where)}: key {key!r} {is_now}; {demand}")


def under(section: str, demands: Iterable[Demand]) -> Iterator[Demand]:
    """The demands of a spec within another one."""
    return ((f"{section}.{key}", holds, demand) for key, holds, demand in demands)


# ------------------------------------------------------------------------------ reading


def from_mapping(
    spec: type[T], mapping: Mapping[str, Any], *, where: str, flags: Mapping[str, str] = _NONE
) -> T:
    """Build a spec from a mapping, checking every key and type.

    Args:
        spec: The dataclass, or struct of msgspec, that is the schema.
        mapping: What was read.
        where: File that error messages name.
        flags: Flags that they name instead, by the key that each gave.

    Raises:
        CardError: If a key is unknown, missing, or of the wrong type.
    """
    for prefix, schema, table in _tables(spec, mapping):
        known = _schema(schema)
        for key in (each for each in table if each not in known):
            within = f"{where}: [{prefix[:-1]}]" if prefix else where
            raise CardError(f"{within}: {unknown_name('key', key[:_LONGEST_NAME], known)}")
    try:
        return msgspec.convert(mapping, spec)
    except msgspec.ValidationError as error:
        key, why = _explain(str(error), spec, mapping)
        raise CardError(f"{flags.get(key.partition('[')[0], where)}: {why}") from error


def _tables(hint: Any, value: Any, prefix: str = "") -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """Every table that has a schema: the prefix of its keys, the schema, and the table."""
    kind = _bare(_kind(hint, value))
    if _is_spec(kind) and isinstance(value, dict):
        yield prefix, kind, value
        for name, inner in _nested(kind).items():
            yield from _tables(inner, value.get(name), f"{prefix}{name}.")
    elif typing.get_origin(kind) is dict and isinstance(value, dict):
        for name, item in value.items():
            yield from _tables(typing.get_args(kind)[1], item, f"{prefix}{name[:_LONGEST_NAME]}.")
    elif typing.get_origin(kind) is tuple and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _tables(typing.get_args(kind)[0], item, f"{prefix[:-1]}[{index}].")


def _kind(hint: Any, value: Any) -> Any:
    """What a value must be, of the choices that a hint leaves."""
    if typing.get_origin(hint) not in _UNIONS:
        return hint
    kinds = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
    tag = value.get(_TAG) if isinstance(value, dict) else None
    return next((kind for kind in kinds if len(kinds) == 1 or _tag(kind) == tag), hint)


def _bare(kind: Any) -> Any:
    """A type without the limits on its values."""
    return typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind


def _is_spec(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or isinstance(kind, msgspec.StructMeta)


def _tag(kind: Any) -> Any:
    """The word that chooses a struct among those of a union."""
    return kind.__struct_config__.tag if isinstance(kind, msgspec.StructMeta) else None


@cache
def _keys(spec: Any) -> tuple[str, ...]:
    """The keys of a spec; fields that are not compared have none."""
    if isinstance(spec, msgspec.StructMeta):
        tags = () if _tag(spec) is None else (_TAG,)
        return (*tags, *spec.__struct_fields__)
    return tuple(field.name for field in dataclasses.fields(spec) if field.compare)


@cache  # resolving annotations costs more than checking a record against them
def _schema(spec: Any) -> dict[str, Any]:
    """The types that a spec takes, by key."""
    hints = typing.get_type_hints(spec, include_extras=True)
    return {key: hints.get(key, str) for key in _keys(spec)}


@cache
def _nested(spec: Any) -> dict[str, Any]:
    """The keys of a spec that hold specs."""
    return {name: hint for name, hint in _schema(spec).items() if _holds_spec(hint)}


def _holds_spec(hint: Any) -> bool:
    return _is_spec(hint) or any(map(_holds_spec, typing.get_args(hint)))


def _explain(error: str, spec: Any, mapping: Mapping[str, Any]) -> tuple[str, str]:
    """The key that msgspec refuses; and the same with its value and what it must be."""
    fact, _, path = error.partition(" - at `$")
    key, hint, value = _follow(spec, mapping, path)
    if missing := re.fullmatch("Object missing required field `(.+)`", fact):
        name = f"{key}.{missing[1]}" if key else missing[1]
        return key, f"required key {name!r} is missing"
    return key, f"key {key!r} is {show(value, _LONGEST)}; it must be {_describe(hint, value)}"


def _follow(hint: Any, value: Any, path: str) -> tuple[str, Any, Any]:
    """The dotted key, type and value at a path of msgspec's, such as ``.key[0][...]``."""
    key = ""
    for name, index in _STEPS.findall(path):
        kind = _bare(_kind(hint, value))
        if name:
            hint = _schema(kind)[name] if _is_spec(kind) else kind
            key, value = f"{key}.{name}" if key else name, value[name]
        elif index == "...":
            hint = typing.get_args(kind)[1]
            entry, value = next(item for item in value.items() if not _fits(item[1], hint))
            key = f"{key}.{entry[:_LONGEST_NAME]}"
        else:
            arguments = typing.get_args(kind)
            hint = arguments[0 if arguments[-1] is Ellipsis else int(index)]
            key, value = f"{key}[{index}]", value[int(index)]
    return key, _kind(hint, value), value


def _fits(value: Any, hint: Any) -> bool:
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError:
        return False
    return True


def _describe(kind: Any, value: Any) -> str:
    """The words for a type, or for its limits where the type is as it should be."""
    bare = _bare(kind)
    if bare is not kind:
        return (
            str(kind.__metadata__[0].description) if _fits(value, bare) else _describe(bare, value)
        )
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return "an array" if arguments[-1] is Ellipsis else f"an array of {len(arguments)}"
    if origin is dict or not arguments:
        return _WORDS.get(kind, "a table")
    choices = arguments if origin is typing.Literal else map(_tag, arguments)
    return "one of " + ", ".join(map(repr, choices))


# ------------------------------------------------------------------------------ writing


def to_mapping(spec: Any) -> dict[str, Any]:
    """A spec as nested dicts and lists, the inverse of :func:`from_mapping`.

    Fields that do not count when specs are compared, such as the path of a card, are left out.
    """
    return facts(spec, *_keys(type(spec)))  # type: ignore[arg-type]  # classes do hash


def facts(spec: Any, *keys: str) -> dict[str, Any]:
    """Some fields of a spec by name, as :func:`to_mapping` has them."""
    return {key: _plain(getattr(spec, key)) for key in keys}


def _plain(value: Any) -> Any:
    if _is_spec(type(value)):
        return to_mapping(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
