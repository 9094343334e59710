"""Atomic file writes, safe under concurrent processes and crashes."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import re
import shutil
import time
import uuid
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# A draft: `.NAME.<machine>-<process>.<random>.tmp`; before 0.2, `.NAME.<random>.tmp`.
_DRAFT = re.compile(r"\..+\.(?:([0-9a-f]{8})-(\d+)\.[0-9a-f]{12}|[0-9a-f]{32})\.tmp")

# Whether a process of another machine lives cannot be asked. Its draft is left alone for so long
# after it was last written to.
_FOREIGN_SECONDS = 3600.0

_swept: set[Path] = set()


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A draft beside ``file`` that takes its place when the block succeeds.

    The draft is on the disk before it is renamed, and the folder after, so that a power cut
    leaves the old file or the new one. Folders are made as needed. If the block raises,
    ``file`` is left as it was. A process that is killed leaves a ``.NAME.*.tmp`` behind, which
    the next process that writes into the folder removes.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.parent not in _swept:
        _swept.add(file.parent)
        remove_abandoned(file.parent)
    draft = file.with_name(f".{file.name}.{owner()}.{uuid.uuid4().hex[:12]}.tmp")
    try:
        yield draft
        _sync(draft, os.O_RDWR)
        rename(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def place(file: Path, content: bytes) -> None:
    """Write a file atomically and durably; folders are made as needed."""
    with replacing(file) as draft:
        draft.write_bytes(content)


def copy(source: Path, file: Path) -> None:
    """Copy a file as :func:`place` writes one; an error does not say where the source was."""
    with replacing(file) as draft, source.open("rb") as old, draft.open("wb") as new:
        shutil.copyfileobj(old, new)


def rename(draft: Path, file: Path) -> None:
    """Rename a synced file within its folder, durably."""
    draft.replace(file)
    if hasattr(os, "O_DIRECTORY"):  # a folder cannot be opened elsewhere
        _sync(file.parent, os.O_RDONLY | os.O_DIRECTORY)


def remove_abandoned(folder: Path) -> None:
    """Remove the drafts that ended processes left in a folder.

    Those of this machine go when their process is gone; those of another, of an earlier boot or
    of crossbench 0.1, when nothing was written to them for an hour.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _DRAFT.fullmatch(entry.name)
            if match is not None and _abandoned(entry, *match.groups()):
                with contextlib.suppress(OSError):
                    Path(entry.path).unlink()


def _abandoned(entry: os.DirEntry[str], machine: str | None, process: str | None) -> bool:
    if machine == _machine() and process is not None:
        return not lives(int(process))
    try:
        return entry.stat(follow_symlinks=False).st_mtime < time.time() - _FOREIGN_SECONDS
    except OSError:  # put in place meanwhile
        return False


def owner() -> str:
    """The part of a file's name that tells which process of which machine made it."""
    return f"{_machine()}-{os.getpid()}"


def lives(process: int) -> bool:
    """Whether a process of this machine has not ended."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's
        return True
    return True


@cache
def _machine() -> str:
    """Fingerprint of the machine, boot and container that process numbers belong to.

    Returns:
        8 hexadecimal digits.
    """
    facts = [platform.node()]
    with contextlib.suppress(OSError):  # not Linux
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:8]


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
