"""The disk cache: derived data under the hash of its inputs.

An entry is whole or absent. Each folder holds at most :data:`LIMIT` bytes, the least recently used
entries going first; all of them may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

from crossbench.files.atomic import replacing
from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

#: Bytes that the entries of one folder may take.
LIMIT = 2 * 2**30


def entry(folder: Path, key: Any, ending: str) -> Path:
    """The file of the entry under a JSON-able key."""
    return folder / f"{hash_json(key)[:32]}{ending}"


def load(file: Path, read: Callable[[Path], T | None]) -> T | None:
    """An entry as ``read`` decodes it; None if it is absent or damaged."""
    try:
        value = read(file)
        os.utime(file)  # used just now
    except Exception:  # noqa: BLE001  # damage may raise whatever the reader's library raises
        return None
    return value


def store(file: Path, write: Callable[[Path], object]) -> None:
    """Write an entry and remove the least recently used ones beyond the limit.

    Args:
        file: As from :func:`entry`.
        write: Writes the content to the path it is given.

    Raises:
        OSError: If the folder cannot be written.
    """
    with replacing(file) as draft:
        write(draft)
    held = 0
    states = [(each.stat(), each) for each in file.parent.iterdir()]
    for state, each in sorted(states, key=lambda pair: (pair[1] != file, -pair[0].st_mtime_ns)):
        held += state.st_size
        if held > LIMIT and each != file:
            each.unlink(missing_ok=True)


def keep(file: Path, write: Callable[[Path], object]) -> None:
    """:func:`store` an entry; a folder that cannot be written costs time alone."""
    with contextlib.suppress(OSError):
        store(file, write)
