"""Options of an importer: as words of a command, as values of a card, and of one form."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from crossbench.errors import RequestError, unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crossbench.data.importers.interface import Importer
    from crossbench.specs.origins import Option

_WORDS = {"true": True, "false": False}


def settled(importer: Importer, *given: Mapping[str, Option]) -> dict[str, Option]:
    """A value for every option: the last that is given, else the importer's default.

    Raises:
        RequestError: If an option is unknown to the importer, or of another type than its default.
    """
    values = dict(importer.defaults)
    for options in given:
        for name, value in options.items():
            _check_name(importer, name)
            values[name] = _alike(importer, name, value)
    return values


def parsed(importer: Importer, texts: Sequence[str]) -> dict[str, Option]:
    """Options that are given as ``OPTION=VALUE``; parts of an array are parted by commas.

    Raises:
        RequestError: If one is malformed, unknown, or of another type than its default.
    """
    found: dict[str, Option] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign:
            raise RequestError(f"--set {text!r} has no '='; write it as OPTION=VALUE")
        _check_name(importer, name)
        default = importer.defaults[name]
        if isinstance(default, tuple):
            parts = [part for part in value.split(",") if part]
            found[name] = tuple(_number(part) for part in parts)
        else:
            found[name] = value if isinstance(default, str) else _plain(value)
        found[name] = _alike(importer, name, found[name])
    return found


def _check_name(importer: Importer, name: str) -> None:
    if name not in importer.defaults:
        raise unknown_name(f"option of importer {importer.name}", name, importer.defaults)


def _plain(text: str) -> str | float | bool:
    return _WORDS[text] if text in _WORDS else _number(text)


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def _alike(importer: Importer, name: str, value: Option) -> Option:
    """A value in the form of the option's default, whole numbers as such."""
    default = importer.defaults[name]
    if isinstance(default, tuple) and isinstance(value, tuple | list):
        kinds = {str if isinstance(each, str) else float for each in default}
        if all(not kinds or _kind(each) in kinds for each in value):
            return tuple(_whole(each) for each in value)
    elif _kind(default) is _kind(value):
        return value if isinstance(value, bool | str | tuple) else _whole(value)
    msg = f"option {name!r} of importer {importer.name!r} is {value!r}; it must be like its default"
    raise RequestError(f"{msg}, {default!r}")


def _kind(value: Option) -> type:
    return float if type(value) is int else type(value)


def _whole(value: str | float) -> str | float:
    whole = isinstance(value, float) and math.isfinite(value) and value == int(value)
    return int(value) if whole else value


def whole(options: Mapping[str, Option], name: str, *, least: int = 1) -> int:
    """An option that is a whole number.

    Raises:
        RequestError: If it is another value, or below ``least``.
    """
    value = options[name]
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not (math.isfinite(number) and number == int(number) and number >= least):
        raise RequestError(f"option {name!r} is {value!r}; it must be a whole number from {least}")
    return int(number)


def real(options: Mapping[str, Option], name: str) -> float:
    """An option that is a number.

    Raises:
        RequestError: If it is another value, or not finite.
    """
    value = options[name]
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number):
        raise RequestError(f"option {name!r} is {value!r}; it must be a number")
    return float(number)


def words(options: Mapping[str, Option], name: str) -> tuple[str, ...]:
    """An option that is an array of words, or one word alone."""
    value = options[name]
    return tuple(map(str, value)) if isinstance(value, tuple | list) else (str(value),)


def sides(options: Mapping[str, Option], name: str, count: int) -> tuple[int, ...]:
    """An option that is so many lengths in voxels.

    Raises:
        RequestError: If it is something else.
    """
    value = options[name]
    given = value if isinstance(value, tuple | list) else ()
    found = tuple(whole({name: each}, name) for each in given)
    if len(found) != count:
        raise RequestError(f"option {name!r} is {value!r}; it must be {count} lengths in voxels")
    return found
