"""TOML read within bounds: small, shallow regular files of finite numbers, or a named error.

Writing is for what such a file may hold.
"""

from __future__ import annotations

import json
import math
import re
import stat
import tomllib
from typing import TYPE_CHECKING, Any

from crossbench.errors import CardError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_LARGEST = 1 << 18  # bytes; the largest card here has 3,000
_DEEPEST = 16  # tables within tables; cards have two
_WHOLE = 1 << 63  # TOML's integers have 64 bits

# Strings and comments, whose dots join no keys; dots; ends of keys; anything else.
_TOKENS = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*'
    r"|(?P<dot>\.)|(?P<end>[=,\n\[\]{}])|[^\s.=,\[\]{}\"'#]+|.",
    re.DOTALL,
)


def read_toml(file: Path) -> dict[str, Any]:
    """Read a TOML file, with or without a byte order mark.

    Raises:
        CardError: If the file does not exist, is no TOML or exceeds the bounds; the message names
            it.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise CardError(f"{file}: not readable as TOML: it is no regular file")
        with file.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
        if len(content) > _LARGEST:
            raise CardError(f"{file}: not readable as TOML: it is larger than {_LARGEST} bytes")
        return parse_toml(content.decode("utf-8-sig"))
    except FileNotFoundError as error:
        msg = f"{file} does not exist"
        raise CardError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"{file}: not readable as TOML: {error}"
        raise CardError(msg) from error


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML text.

    Raises:
        ValueError: If it is no TOML, nested deeper than any spec, or holds a number that is not
            finite or of more than 64 bits.
    """
    _check_keys(text)
    try:
        found = tomllib.loads(text)
    except RecursionError as error:
        raise ValueError(f"nested deeper than {_DEEPEST} levels") from error
    _check_values(found)
    return found


def _check_keys(text: str) -> None:
    """Refuse long dotted keys, which tomllib takes quadratic time for."""
    dots = 0
    for token in _TOKENS.finditer(text):
        if token["end"]:
            dots = 0
        elif token["dot"]:
            dots += 1
            if dots > _DEEPEST:
                line = text.count("\n", 0, token.start()) + 1
                raise ValueError(f"line {line} has a key of more than {_DEEPEST} parts")


def _check_values(found: dict[str, Any]) -> None:
    """Refuse depths and numbers that JSON, hashes or messages cannot hold."""
    level: list[Any] = [found]
    for _ in range(_DEEPEST):
        level = [item for value in level for item in _inside(value)]
        for value in level:
            if type(value) is int and not -_WHOLE <= value < _WHOLE:
                raise ValueError("a whole number has more than 64 bits")
            if type(value) is float and not math.isfinite(value):
                raise ValueError(f"a number is {value}; numbers must be finite")
    if any(map(_inside, level)):
        raise ValueError(f"nested deeper than {_DEEPEST} levels")


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


# ------------------------------------------------------------------------------ writing


def to_toml(mapping: Mapping[str, Any]) -> str:
    """A mapping of plain values, arrays and tables of these as TOML text.

    Raises:
        ValueError: If a value is not finite or of another kind.
    """
    return "\n".join(_lines(mapping, "")) + "\n"


def _lines(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    tables = {key: value for key, value in table.items() if isinstance(value, dict)}
    many = {key: value for key, value in table.items() if _is_tables(value)}
    for key, value in table.items():
        if key not in tables and key not in many:
            yield f"{_key(key)} = {_value(value)}"
    for key, value in tables.items():
        yield f"\n[{prefix}{_key(key)}]"
        yield from _lines(value, f"{prefix}{_key(key)}.")
    for key, values in many.items():
        for value in values:
            yield f"\n[[{prefix}{_key(key)}]]"
            yield from _lines(value, f"{prefix}{_key(key)}.")


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, dict) for each in value)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    raise ValueError(f"{value!r} is no value of TOML")
