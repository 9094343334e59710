"""Marks of attempts at runs: what a process that died was doing.

An attempt leaves a small file beside the claims, on the disk before the work begins, which is
removed when the run's record is written. One that is found by the next process to claim that run
tells that the attempt was abandoned: no interruption, for those take their mark away, but the end
of the process, such as a segmentation fault, ``os._exit`` or a kill for want of memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError
from crossbench.execution.claims import CLAIMS, claim_name
from crossbench.execution.signals import handled
from crossbench.files.atomic import lives, replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ENDING = ".attempt"
_SIGNALS = ("SIGTERM", "SIGHUP", "SIGINT")

#: Marks of this process's attempts, and how many attempts before each were abandoned.
_current: dict[Path, int] = {}


class Attempts:
    """The marks in one results folder.

    Args:
        root: The folder.
        locked: Whether claims exclude each other there. Where they do not, an attempt whose
            process still lives on this machine counts as none.
    """

    def __init__(self, root: Path, *, locked: bool = True) -> None:
        self._folder = root / CLAIMS
        self._locked = locked

    @contextlib.contextmanager
    def begin(self, identity: str) -> Iterator[int]:
        """Attempt a run, which this process has claimed.

        The mark is gone when the block ends, and as it was before when the block raises or the
        process is told to end.

        Args:
            identity: The run's.

        Yields:
            How many attempts before this one were abandoned.

        Raises:
            RequestError: If the folder cannot be written.
        """
        file = self._file(identity)
        before = self.abandoned(identity)
        try:
            _write(file, before + 1)
        except OSError as error:
            folder = str(self._folder.parent)
            raise RequestError(f"results folder {folder!r} cannot be written: {error}") from error
        _current[file] = before
        try:
            with handled(_SIGNALS, _end):
                yield before
        except BaseException:
            put_back()
            raise
        _current.pop(file, None)
        file.unlink(missing_ok=True)

    def abandoned(self, identity: str) -> int:
        """How many attempts at a run were abandoned since its record was last written."""
        mark = _read(self._file(identity))
        alive = not self._locked and mark["host"] == socket.gethostname() and lives(mark["process"])
        count: int = mark["attempts"]
        return max(0, count - alive)

    def forget(self, identity: str) -> None:
        """Remove the mark of a run whose record was written without an attempt of this process."""
        self._file(identity).unlink(missing_ok=True)

    def left(self) -> frozenset[tuple[str, int]]:
        """The runs that have a mark, and how many attempts each mark tells of."""
        files = self._folder.glob(f"*{_ENDING}")
        return frozenset((file.name, _read(file)["attempts"]) for file in files)

    def _file(self, identity: str) -> Path:
        return self._folder / f"{claim_name(identity)}{_ENDING}"


def put_back() -> None:
    """Leave the marks of this process's attempts as if these had not begun."""
    while _current:
        file, before = _current.popitem()
        with contextlib.suppress(OSError):
            if before:
                _write(file, before)
            else:
                file.unlink(missing_ok=True)


def _read(file: Path) -> dict[str, Any]:
    """What a mark says; one that cannot be read tells of an attempt all the same."""
    unknown = {"attempts": 1, "host": "", "process": 0}
    try:
        mark = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return unknown | {"attempts": 0}
    except (OSError, ValueError):
        return unknown
    fits = isinstance(mark, dict) and all(
        isinstance(mark.get(key), type(value)) for key, value in unknown.items()
    )
    return mark if fits else unknown


def _write(file: Path, attempts: int) -> None:
    mark = {"attempts": attempts, "host": socket.gethostname(), "process": os.getpid()}
    with replacing(file) as draft:
        draft.write_text(json.dumps(mark), encoding="utf-8")


def _end(number: int, _: object) -> None:
    """Put marks back before a signal that nothing else handles ends this process."""
    put_back()
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
