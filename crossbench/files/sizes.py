"""Sizes of files, and the room on disks."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_UNITS = ((10**9, "GB"), (10**6, "MB"), (10**3, "kB"), (1, "B"))


def amount(size: float | None, *, exact: bool = True) -> str:
    """A number of bytes as people say it, in powers of ten: ``39.1 MB``, ``~1.5 GB``."""
    if size is None:
        return "unknown"
    unit, name = next((each for each in _UNITS if size >= each[0]), _UNITS[-1])
    places = 1 if unit > 1 and size < 100 * unit else 0
    return f"{'' if exact else '~'}{size / unit:.{places}f} {name}"


def free_bytes(folder: Path) -> int:
    """Bytes that a folder's disk has room for."""
    return shutil.disk_usage(folder).free


def no_room(folder: Path, what: str, need: int, free: int) -> str:
    """Message on a disk that is too small, up to the option that names another folder."""
    said = f"{folder}: {what} needs {amount(need)} more, and {amount(free)} are free"
    return f"{said}; make room, or name another folder by"
