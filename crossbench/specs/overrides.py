"""Settings replaced by ``key=value`` words, as ``--set`` takes them."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError, unknown_name
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


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
    if text == "none":  # which TOML has no word for
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # a bare word; other values are checked, and named, later
        return text
