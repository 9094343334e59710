"""What processes print, a file a run; it stays where the run failed."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Self

from crossbench.errors.foreign import ChildDiedError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

#: The folder of logs below a results folder.
LOGS = "logs"

_MOST = 8 * 2**20  # bytes of a log; the rest is lost


def log_name(identity: str) -> str:
    """Where a run's log lies below a results folder; records are named by the same digits."""
    return f"{LOGS}/{identity[:8]}.log"


def remove_logs(root: Path, identities: Iterable[str]) -> None:
    """Remove the logs of runs that have succeeded, and the folder if no other is there.

    Such a log is left by an earlier failure of the run, or by a process that was killed while it
    watched the run's last steps.

    Args:
        root: The results folder.
        identities: Those of the runs.
    """
    with suppress(OSError):
        there = {file.name for file in (root / LOGS).iterdir()}
        for identity in identities:
            file = root / log_name(identity)
            if file.name in there:
                file.unlink(missing_ok=True)
        (root / LOGS).rmdir()


class RunLog:
    """The log of the run that a process is at, which goes with the block unless it is kept.

    What cannot be written is lost: a full disk is no reason to end a run.

    Args:
        root: The results folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._identity: str | None = None
        self._stream: BinaryIO | None = None

    def begin(self, identity: str) -> None:
        """Write to the log of a run, which is made anew unless it is at it already."""
        if identity == self._identity:
            return
        self.end(kept=False)
        file = self._root / log_name(identity)
        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            self._identity, self._stream = identity, file.open("wb", buffering=0)

    def note(self, printed: bytes) -> None:
        """Append what was printed."""
        if self._stream is not None:
            with suppress(OSError):
                self._stream.write(printed[: max(0, _MOST - self._stream.tell())])

    def end(self, *, kept: bool) -> None:
        """Close the log; remove it unless it is kept."""
        if self._stream is None or self._identity is None:
            return
        self._stream.close()
        if not kept:
            remove_logs(self._root, [self._identity])
        self._identity = self._stream = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end(kept=isinstance(error, ChildDiedError))
