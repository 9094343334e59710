"""Traces of a machine in texts: absolute paths, and the names of user and host.

What a run recorded of a failure may quote them. They are replaced before a record is bundled; a
place where they would have to stay is refused.
"""

from __future__ import annotations

import getpass
import re
import socket
from functools import cache
from pathlib import Path
from typing import Any

_HOMES = r"(?:/home|/Users|[A-Za-z]:[\\/]Users)[\\/]"
_QUOTED_HOME = re.compile(rf"(?<=[\"']){_HOMES}[^\"'\n\\/]+")  # whose names may have spaces
_HOME = re.compile(rf"{_HOMES}[^\\/\s'\":,;()]+|/root(?=/)")
_QUOTED = re.compile(r"(?<=[\"'])(?:~|[A-Za-z]:)?[\\/][^\"'\n]*[\\/](?=[^\"'\n\\/]*[\"'])")
_BARE = re.compile(
    r"(?<![\w.:/\\~<-])(?:(?:~|[A-Za-z]:)?(?:[\\/][^\\/\s'\":,;()<>|]+)+|~)[\\/](?=[^\\/\s])"
)
_CUT = ".../"
# Names that are nobody's.
_COMMON = frozenset(
    {"root", "user", "users", "ubuntu", "admin", "runner", "localhost", "home", "data", "test"}
)
_SHORTEST = 4


def without_traces(value: Any) -> Any:
    """A plain value whose texts have no traces of this machine.

    Of an absolute path the last part stays: ``.../mine.py``. The user's and the host's names
    become ``<user>`` and ``<host>``, where they are words of at least four letters.

    Example:
        >>> without_traces({"message": "no such file: /home/ada/nets/w.pth"})
        {'message': 'no such file: .../w.pth'}
    """
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, dict):
        return {_clean(key): without_traces(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_traces(item) for item in value)
    return value


def trace_in(text: str) -> str:
    """The first trace of a machine in a text that may not be changed; empty for none.

    Source has words of all kinds, so here home folders alone count.
    """
    found = _HOME.search(text)
    return found[0] if found else next((name for name in _folders() if name in text), "")


def _clean(text: str) -> str:
    for folder in _folders():
        text = text.replace(folder, "~")
    text = _HOME.sub("~", _QUOTED_HOME.sub("~", text))
    text = _BARE.sub(_CUT, _QUOTED.sub(_CUT, text))
    for pattern, stands in _names():
        text = pattern.sub(stands, text)
    return text


@cache
def _folders() -> tuple[str, ...]:
    """The user's home folder, where that is one of its own."""
    home = str(Path.home())
    return (home,) if len(Path(home).parts) > 2 else ()


@cache
def _names() -> tuple[tuple[re.Pattern[str], str], ...]:
    host = socket.gethostname()
    named = {"<user>": {_user()}, "<host>": {host, host.partition(".")[0]}}
    return tuple(
        (re.compile(rf"(?<!\w){re.escape(name)}(?!\w)"), stands)
        for stands, names in named.items()
        for name in sorted(names, key=len, reverse=True)
        if len(name) >= _SHORTEST and name not in _COMMON
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a number without a name, as in containers
        return ""
