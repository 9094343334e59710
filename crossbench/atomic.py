"""Files that are whole or absent, however many processes write them and whenever they die."""

from __future__ import annotations

import os
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replacing(file: Path) -> Iterator[Path]:
    """A draft beside ``file`` that takes its place when the block succeeds.

    The draft is on the disk before it is renamed, and the folder after, so that a power cut
    leaves the old file or the new one. Folders are made as needed. If the block raises,
    ``file`` is left as it was; a process that is killed may leave a ``.NAME.*.tmp`` behind.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
    try:
        yield draft
        _sync(draft, os.O_RDWR)
        rename(draft, file)
    finally:
        draft.unlink(missing_ok=True)


def rename(draft: Path, file: Path) -> None:
    """Give a file that is on the disk another name in its folder, a power cut notwithstanding."""
    draft.replace(file)
    if hasattr(os, "O_DIRECTORY"):  # a folder cannot be opened elsewhere
        _sync(file.parent, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
