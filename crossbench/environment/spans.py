"""Seconds by phase: spans in the code, collected by whoever listens.

A protocol or loop marks its phases::

    with span("train"):
        ...

and whoever wants their seconds runs the code within :func:`collect`. A run's record collects its
coarse phases, some readings of the clock an epoch: ``build``, ``train``, ``validate``, ``test`` and
``total``; a protocol has spans for those that it has. Phases of single batches and files
(``load``, ``augment``, ``forward``, ``backward``, ``evaluate``, ``write``) are marked ``fine``, and
no such span lies within another. Only a listener that asks for them pays for them, for on CUDA
each must wait for the device.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class _Listener(NamedTuple):
    seconds: dict[str, float]
    fine: bool
    wait: Callable[[], object]


_listeners: ContextVar[tuple[_Listener, ...]] = ContextVar("listeners", default=())


@contextmanager
def collect(
    *, fine: bool = False, wait: Callable[[], object] = lambda: None
) -> Iterator[dict[str, float]]:
    """Collect the seconds of the spans within; a listener further out collects them too.

    Spans of other threads are not collected.

    Args:
        fine: Whether phases of single batches are collected.
        wait: Called before a clock is read, such as to wait for a device.

    Yields:
        Seconds by phase, those of spans of one name added up; nested spans count in each.
    """
    seconds: dict[str, float] = {}
    token = _listeners.set((*_listeners.get(), _Listener(seconds, fine, wait)))
    try:
        yield seconds
    finally:
        _listeners.reset(token)


@contextmanager
def span(name: str, *, fine: bool = False) -> Iterator[None]:
    """Charge the block's time to a phase, for those who listen.

    Args:
        name: Of the phase.
        fine: Whether it is a phase of a single batch.
    """
    listeners = [each for each in _listeners.get() if each.fine or not fine]
    if not listeners:
        yield
        return
    begin = _read_clock(listeners)
    try:
        yield
    finally:
        charge(name, _read_clock(listeners) - begin, fine=fine)


def charge(name: str, seconds: float, *, fine: bool = False) -> None:
    """Charge seconds to a phase that were measured elsewhere; the rest as for :func:`span`."""
    for each in _listeners.get():
        if each.fine or not fine:
            each.seconds[name] = each.seconds.get(name, 0.0) + seconds


def _read_clock(listeners: list[_Listener]) -> float:
    for each in listeners:
        each.wait()
    return perf_counter()
