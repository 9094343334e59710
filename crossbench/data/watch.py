"""Whether an open file is still the one that was opened, told without reading it."""

from __future__ import annotations

import os
import stat
import weakref
from time import time_ns
from typing import IO, TYPE_CHECKING, NamedTuple

from crossbench.errors import DataError

if TYPE_CHECKING:
    from io import BufferedReader
    from pathlib import Path

# Two writes within one tick of a file system's clock leave one time stamp; the coarsest clock in
# use, FAT's, ticks every two seconds.
_TICK_NS = 2_000_000_000


class FileState(NamedTuple):
    """State of a file; it changes whenever the file is written to or replaced.

    ``modified`` can be set at will (``rsync -t``, ``touch -d``), ``changed`` cannot. Both are in
    nanoseconds.
    """

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, descriptor: int) -> FileState:
        """The state of an open file."""
        found = os.fstat(descriptor)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)

    def is_settled(self) -> bool:
        """Whether a further write would be seen: not where the last one was a moment ago.

        Git calls a file that was written within the clock's last tick racily clean.
        """
        return time_ns() - max(self.modified, self.changed) > _TICK_NS


class Watch:
    """An open file that is asked whether it has been written to since.

    Attributes:
        file: Its name when it was opened.
        state: Its state when it was opened, or when it was last found unchanged.
    """

    def __init__(self, file: Path, stream: IO[bytes]) -> None:
        self.file = file
        self._descriptor = os.dup(stream.fileno())
        weakref.finalize(self, os.close, self._descriptor)
        self.state = FileState.of(self._descriptor)

    def now(self) -> FileState:
        """The state that the open file has now, whatever its name has come to stand for."""
        return FileState.of(self._descriptor)


def open_regular(file: Path) -> BufferedReader:
    """Open a file for reading that is a file: a pipe or device would be waited for without end.

    Raises:
        DataError: If it is something else.
        OSError: If it cannot be opened.
    """
    if not stat.S_ISREG(file.stat().st_mode):
        raise DataError(f"{file} is no regular file; copy what it holds into one")
    return file.open("rb")
