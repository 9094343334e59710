"""What processes print, a file a run; it stays where the run failed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from crossbench.errors.foreign import ChildDiedError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

#: The folder of logs below a results folder.
LOGS = "logs"

_MOST = 8 * 2**20  # bytes of a log; the rest is lost


def log_name(identity: str) -> str:
    """Where a run's log lies below a results folder; records are named by the same digits."""
    return f"{LOGS}/{identity[:8]}.log"


class RunLog:
    """The log of the run that a process is at, which goes with the block unless it is kept.

    What cannot be written is lost: a full disk is no reason to end a run.

    Args:
        root: The results folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._file: Path | None = None
        self._stream: BinaryIO | None = None

    def begin(self, identity: str) -> None:
        """Write to the log of a run, which is made anew unless it is at it already."""
        file = self._root / log_name(identity)
        if file == self._file:
            return
        self.end(kept=False)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._file, self._stream = file, file.open("wb", buffering=0)

    def note(self, printed: bytes) -> None:
        """Append what was printed."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(printed[: max(0, _MOST - self._stream.tell())])

    def end(self, *, kept: bool) -> None:
        """Close the log; remove it, and the folder if no other is there, unless it is kept."""
        if self._stream is None or self._file is None:
            return
        self._stream.close()
        if not kept:
            with suppress(OSError):
                self._file.unlink()
                self._file.parent.rmdir()
        self._file = self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(kept=isinstance(error, ChildDiedError))
