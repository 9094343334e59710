"""Names of methods, with the hyperparameters they were built with: ``mine:temp=2``."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError
from crossbench.errors.foreign import show

if TYPE_CHECKING:
    from collections.abc import Mapping

#: A hyperparameter's value, which is plain in a name.
Value = float | int | bool | str | None

LONGEST_BASE = 64  # they become a part of file names
LONGEST_NAME = 160
_BASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TEXT = re.compile(r"[A-Za-z0-9._+-]+")
_WHOLE = 2**53  # whole numbers below are floats without loss
_CONSTANTS = {"true": True, "false": False, "null": None}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_FORM = "NAME:key=value:key=value, values being numbers, true, false, null or words"


@dataclass(frozen=True)
class MethodName:
    """A method's name in its parts.

    Attributes:
        base: What it is registered as.
        given: Values by hyperparameter, as they were written.
    """

    base: str
    given: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> MethodName:
        """The parts of a name that was asked for; whether there is such a method is not asked.

        Raises:
            RequestError: If it is not of the form ``NAME:key=value:key=value``, names a key twice,
                or is too long.
        """
        if len(text) > LONGEST_NAME:
            msg = f"method {show(text)} must not be longer than {LONGEST_NAME} characters"
            raise RequestError(msg)
        base, *pairs = text.split(":")
        given: dict[str, str] = {}
        for pair in pairs:
            key, _, value = pair.partition("=")
            if not _KEY.fullmatch(key) or not _TEXT.fullmatch(value):
                msg = f"method {show(text)}: {show(pair)} is no key=value; write {_FORM}"
                raise RequestError(msg)
            if key in given:
                raise RequestError(f"method {show(text)} gives {key} twice; leave one of them out")
            given[key] = value
        return cls(base, given)

    def __str__(self) -> str:
        return ":".join([self.base, *(f"{key}={self.given[key]}" for key in sorted(self.given))])


def base_name(name: str) -> str:
    """What a method is registered as, its hyperparameters left out."""
    return name.partition(":")[0]


def is_base_name(name: str) -> bool:
    """Whether a method can be registered by this name."""
    return len(name) <= LONGEST_BASE and bool(_BASE.fullmatch(name))


def is_method_name(name: str) -> bool:
    """Whether a run's method can be called so: hyperparameters sorted, each once."""
    try:
        parsed = MethodName.parse(name)
    except RequestError:
        return False
    return is_base_name(parsed.base) and str(parsed) == name


def read_value(text: str) -> Value:
    """The value that a word stands for: a number, true, false, null, or the word itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if not _NUMBER.fullmatch(text):
        return text
    number = float(text)
    if not math.isfinite(number):
        return text
    return int(number) if number.is_integer() and abs(number) < _WHOLE else number  # 2.0 is 2


def write_value(value: Any) -> str:
    """The word for a value, the inverse of :func:`read_value`; else its ``repr``."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return (
        json.dumps(read_value(str(value))) if isinstance(value, int | float) else show(value, 100)
    )
