"""Work in a forked process, so that this one lives to tell how it ended.

Code of methods runs in the process that does the work. It may end that process in any way, with
exit status 0 too; only another process can tell that from work that is done. The fork happens
before anything heavy is imported, so the process that watches is small.
"""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crossbench.errors.foreign import describe_end
from crossbench.execution.attempts import put_back
from crossbench.execution.child import ORPHANED, end_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FAILED = 1
_HANDED_ON = ("SIGINT", "SIGTERM", "SIGHUP")


def supervise(work: Callable[[], int], goes_on: Callable[[str], bool]) -> int:
    """Do work in a forked process, and go on in another where that died and it is worth it.

    Args:
        work: What is done; returns an exit code.
        goes_on: Told in words how a process died; whether another is to go on with the work.

    Returns:
        The exit code, in the process that watches as in the one that works; 0 only if the work
        returned 0.
    """
    while True:
        answer, says = os.pipe()
        parent, alive = os.pipe()
        process = os.fork()
        if not process:
            os.close(answer)
            os.close(alive)
            return _work(work, says, parent)
        os.close(says)
        os.close(parent)
        with _handing_on(process) as handed:
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        os.set_blocking(answer, False)  # what the worker has forked may hold the other end
        code = _answered(answer)
        os.close(answer)
        os.close(alive)
        if code is not None:
            return code
        if handed:
            _end_likewise(status)
            return ORPHANED
        if not goes_on(describe_end(status)):
            return _FAILED


def _work(work: Callable[[], int], says: int, parent: int) -> int:
    """Do the work and say what came of it; nothing is said only if the process dies."""
    end_with_parent(parent, before=put_back)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt_once)
    code = _FAILED
    try:
        code = work()
    finally:
        os.write(says, bytes([code]))
    return code


def _interrupt_once(number: int, _: Any) -> None:
    """Raise KeyboardInterrupt; a terminal tells this process, and so does the one that watches."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _answered(answer: int) -> int | None:
    try:
        said = os.read(answer, 1)
    except BlockingIOError:
        return None
    return said[0] if said else None


@contextmanager
def _handing_on(process: int) -> Iterator[list[int]]:
    """Hand signals that ask for an end on to the worker; the second time, end it.

    Yields:
        The signals that came.
    """
    handed: list[int] = []

    def hand_on(number: int, _: Any) -> None:
        os.kill(process, signal.SIGKILL if handed else number)
        handed.append(number)

    numbers = [getattr(signal, name) for name in _HANDED_ON]
    before = {number: signal.getsignal(number) for number in numbers}
    heeded = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in heeded:
        signal.signal(number, hand_on)
    try:
        yield handed
    finally:
        for number in heeded:
            signal.signal(number, before[number])


def _end_likewise(status: int) -> None:
    """End this process as the worker ended, if a signal ended that."""
    if status < 0 and status != -signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
