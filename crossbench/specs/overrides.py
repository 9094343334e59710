"""Settings replaced by ``key=value`` words, as ``--set`` takes them."""

from __future__ import annotations

import tomllib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from crossbench.errors import CardError, RequestError, unknown_name
from crossbench.specs.reader import check, from_mapping, to_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

T = TypeVar("T")


class Flag(NamedTuple):
    """A flag that gives one setting; a value of None leaves it."""

    name: str
    value: Sequence[int] | None


NO_FLAGS: Mapping[str, Flag] = MappingProxyType({})


def overridden(
    spec: T, settings: Sequence[str], *, example: str, flags: Mapping[str, Flag] = NO_FLAGS
) -> T:
    """A spec with ``key=value`` settings replaced, and then what flags of their own give.

    Args:
        spec: The spec.
        settings: What ``--set`` gives; values are written as in TOML.
        example: A setting for error messages.
        flags: By ``section.key``.

    Raises:
        RequestError: If a setting is not of that form, names an unknown key, or has a value of
            the wrong type or out of range; the message names the flag.
    """
    mapping = to_mapping(spec)
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            msg = f"--set {setting!r} is not of the form KEY=VALUE, such as {example}"
            raise RequestError(msg)
        _replace(mapping, key.strip(), _toml_value(text.strip()))
    given = {key: flag for key, flag in flags.items() if flag.value is not None}
    for key, flag in given.items():
        section, last = key.split(".")
        if isinstance(mapping[section], dict):  # what else it may be is refused below
            mapping[section][last] = flag.value
    names = {key: flag.name for key, flag in given.items()}
    try:
        found = from_mapping(type(spec), mapping, where="--set", flags=names)
        check(found, where="--set", flags=names)
    except CardError as error:
        raise RequestError(str(error)) from error
    return found


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
    if text == "none":  # which TOML has no word for
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # a bare word; other values are checked, and named, later
        return text
