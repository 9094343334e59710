"""Standard streams that take any text, whatever encoding the terminal or the locale has."""

from __future__ import annotations

import codecs
import sys
from io import TextIOWrapper

_HANDLER = "crossbench.closest"

#: What stands for the signs of tables and sentences where they cannot be written. One character
#: for one, so that columns stay aligned; the plus-minus sign stands in every row or in none.
_CLOSEST = {
    "±": "+-",
    "×": "x",
    "·": "|",
    "†": "^",
    "‡": "=",
    "–": "-",
    "—": "-",
    "…": ".",
    "→": ">",
    "↑": "^",
    "ᵇ": "b",
    "≥": ">",
    "≤": "<",
    "\N{HYPHEN}": "-",
    "\N{NON-BREAKING HYPHEN}": "-",
    "\N{MINUS SIGN}": "-",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{NO-BREAK SPACE}": " ",
}
_BOX_DRAWING = range(0x2500, 0x2580)
_BLOCKS = range(0x2580, 0x25A0)


def take_any_text() -> None:
    """Have standard output and error write the closest they can instead of raising.

    Only what the stream's encoding lacks is replaced: UTF-8 writes everything but lone
    surrogates, which are escaped.
    """
    codecs.register_error(_HANDLER, _closest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def _closest(error: UnicodeError) -> tuple[str | bytes, int]:
    """Replace what an encoding lacks: a codec error handler."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return "".join(map(_replacement, part)), error.end


def _replacement(sign: str) -> str:
    if sign in _CLOSEST:
        return _CLOSEST[sign]
    if ord(sign) in _BOX_DRAWING:
        return "-" if sign in "─━╌╍" else "|"
    if ord(sign) in _BLOCKS:
        return "#"
    return sign.encode("ascii", "backslashreplace").decode("ascii")
