"""Signals that ask for an end, heeded as Ctrl-C is: what goes on is ended in order first."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

#: Names of the signals, where a system has them.
ASKING = ("SIGTERM", "SIGHUP")


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Raise KeyboardInterrupt in the block where this process is asked to end; then end so.

    Signals that something handles already, or that are ignored, are left as they are.
    """
    told: list[int] = []

    def raise_once(number: int, _: Any) -> None:
        signal.signal(number, signal.SIG_IGN)
        told.append(number)
        raise KeyboardInterrupt

    try:
        with handled(ASKING, raise_once):
            yield
    finally:
        if told:
            os.kill(os.getpid(), told[0])


@contextmanager
def handled(names: Sequence[str], handler: Callable[[int, Any], None]) -> Iterator[None]:
    """Handle those of some signals that nothing else does, in the main thread alone.

    Args:
        names: Of the signals, where a system has them.
        handler: Called with the signal's number and the frame, as by :func:`signal.signal`.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    ours = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
