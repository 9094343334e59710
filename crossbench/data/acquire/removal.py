"""Remove a task's data, and what fetches and imports left behind."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from crossbench.data.acquire.hub import WORK as HUB
from crossbench.data.acquire.status import files_in, places
from crossbench.files.archives import WORK as UNPACKING
from crossbench.files.atomic import remove_abandoned

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from crossbench.files.data_root import DataRoot
    from crossbench.specs import TaskCard

_PARTIAL = re.compile(r"\.(?P<name>.+)\.part(\.json)?")
_VERSION = re.compile(r"[0-9a-f]{16}\.npz")


@dataclass(frozen=True, kw_only=True)
class Removed:
    """Something that was removed.

    Attributes:
        path: File or folder.
        bytes: Its size.
        version: Whether it is an imported version, which records may be pinned to.
    """

    path: Path
    bytes: int
    version: bool = False


def remove(card: TaskCard, root: DataRoot) -> tuple[Removed, ...]:
    """Remove what was fetched, imported and joined of a task; other folders are left alone."""
    removed = [
        _remove(version, version=True) for version in sorted(_versions(root.imports(card.name)))
    ]
    held = (*places(card, root), root.root / "receipts" / card.name)
    removed += [_remove(each) for each in held if each.exists() or each.is_symlink()]
    return tuple(removed)


def clean(root: DataRoot) -> tuple[Removed, ...]:
    """Remove partial files, half-finished imports and unpackings, superseded versions and locks.

    What another process holds is left alone, and so is what is in use.
    """
    removed: list[Removed] = []
    for folder in _folders(root):
        remove_abandoned(folder)
        removed += [
            _remove(place, version=bool(_VERSION.fullmatch(place.name)))
            for place in (sorted(folder.iterdir()) if folder.is_dir() else ())
            if _is_left(place, folder, root) and _is_free(place)
        ]
    locks = [lock for folder in _folders(root) for lock in sorted(folder.glob(".*lock"))]
    removed += [_remove(lock) for lock in locks if _lock_is_free(lock)]
    return tuple(removed)


def _folders(root: DataRoot) -> Iterator[Path]:
    yield root.root
    yield from sorted(root.root.glob("originals/*/*/"))
    yield from sorted(root.root.glob("imported/*/"))


def _is_left(place: Path, folder: Path, root: DataRoot) -> bool:
    """Whether a file or folder is what a fetch or an import left behind."""
    name = place.name
    if _PARTIAL.fullmatch(name) or name == HUB or name.endswith(UNPACKING):
        return name.startswith(".")
    if folder.parent == root.root / "imported":
        current = root.current(folder.name)
        superseded = current is not None and place != current and _VERSION.fullmatch(name)
        return bool(superseded) or name.startswith(".work-")
    return False


def _is_free(place: Path) -> bool:
    """Whether no process holds the lock of what a partial file or folder is of."""
    name, folder = place.name, place.parent
    match = _PARTIAL.fullmatch(name)
    if match is not None:
        return _lock_is_free(folder / f".{match['name']}.lock")
    if name == HUB:
        return all(_lock_is_free(lock) for lock in folder.glob(".*.lock"))
    if name.endswith(UNPACKING):
        return _lock_is_free(folder / f"{name.removesuffix(UNPACKING)}.lock")
    return _lock_is_free(folder / ".lock")


def _lock_is_free(file: Path) -> bool:
    if not file.exists():
        return True
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return False
    lock.release()
    return True


def _versions(folder: Path) -> list[Path]:
    return [each for each in folder.glob("*.npz") if _VERSION.fullmatch(each.name)]


def _remove(place: Path, *, version: bool = False) -> Removed:
    size = sum(each.lstat().st_size for each in files_in(place))
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    else:
        place.unlink(missing_ok=True)
    return Removed(path=place, bytes=size, version=version)
