"""Folders of data and of the cache, and checks of paths that users name."""

from __future__ import annotations

import os
from pathlib import Path

from crossbench.errors import RequestError

_LITTER = frozenset({"__MACOSX", "Thumbs.db", "desktop.ini"})


def named_path(text: str | Path, what: str = "a path") -> Path:
    """The path that a user named.

    Raises:
        RequestError: If it is empty, which would mean the current folder, or no file can be called
            so; the message begins with ``what``.
    """
    if not str(text).strip():
        raise RequestError(f"{what} (={str(text)!r}) is empty; name it, or '.' for this folder")
    if "\0" in str(text):
        raise RequestError(f"{what} (={str(text)!r}) has a NUL character; correct it")
    return Path(text)


def is_litter(name: str) -> bool:
    """Whether a file or folder is hidden, or one that systems leave beside people's own."""
    return name.startswith(".") or name in _LITTER


def cache_dir() -> Path:
    """The cache folder: ``$CROSSBENCH_CACHE``, or the user's cache."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")) / "crossbench"
    return Path(os.environ.get("CROSSBENCH_CACHE", default)).expanduser()


def data_dir(given: str | Path | None = None) -> Path:
    """The data folder: ``given``, ``$CROSSBENCH_DATA``, or ``data`` in the cache.

    Raises:
        RequestError: If ``given`` is not a folder.
    """
    default = os.environ.get("CROSSBENCH_DATA", cache_dir() / "data")
    folder = Path(given if given is not None else default).expanduser()
    if given is not None and not folder.is_dir():
        missing = "does not exist; create it or correct it"
        what = "is a file; name a folder" if folder.exists() else missing
        raise RequestError(f"data folder {str(folder)!r} {what}")
    return folder
