"""Seconds and bytes of calls: in turn, warmed up, and with nothing else in the process."""

from __future__ import annotations

import ctypes
import math
import random
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from crossbench.environment.provenance import resident_peak
from crossbench.environment.state import unchanged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Call = Callable[[], object]
    Clock = Callable[[], float]

_WARM_UP = 3  # calls of each method before any is timed
_SHORTEST = 0.005  # seconds that the fastest method is timed for
_TICK = 1e-5  # seconds; no call is shorter
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's mallopt


def interleave(
    calls: Mapping[str, Call],
    *,
    repeats: int,
    device: torch.device,
    clock: Clock = perf_counter,
) -> tuple[dict[str, list[float]], dict[str, Exception]]:
    """Time calls in turn, so that what disturbs the machine disturbs all of them alike.

    Each repeat times every call, in an order drawn anew, because a call leaves the caches to the
    next. Where the fastest takes less than 5 ms, all are timed several at a time, and equally
    often, so that all find the caches as warm.

    Args:
        calls: What is timed, by name.
        repeats: Timed turns of each.
        device: Where the work is done. On CUDA its own events are the clock.
        clock: Of seconds, on the CPU. ``time.process_time`` of one thread stays fair on a busy
            machine.

    Returns:
        Seconds of one call, for each repeat, by name; and, by name, what made a call fail,
        which takes it out of the turns.
    """
    failures: dict[str, Exception] = {}
    warm_up: dict[str, float] = {}
    for name, call in calls.items():
        try:
            with unchanged():  # or the others would be timed in another state
                warm_up[name] = min(_timed(call, 1, device, clock) for _ in range(_WARM_UP))
        except Exception as error:  # noqa: BLE001  (whatever it was, the others go on)
            failures[name] = error
    count = math.ceil(_SHORTEST / max(min(warm_up.values(), default=1.0), _TICK))
    times: dict[str, list[float]] = {name: [] for name in warm_up}
    order = random.Random(0)  # noqa: S311  (no secret depends on it)
    for _ in range(repeats):
        for name in order.sample(list(times), len(times)):
            try:
                times[name].append(_timed(calls[name], count, device, clock))
            except Exception as error:  # noqa: BLE001
                failures[name] = error
                del times[name]
    return times, failures


def _timed(call: Call, count: int, device: torch.device, clock: Clock) -> float:
    """Seconds of one of ``count`` calls."""
    if device.type == "cuda":
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        for _ in range(count):
            call()
        end.record()
        end.synchronize()
        milliseconds: float = begin.elapsed_time(end)
        return milliseconds / 1000 / count
    start = clock()
    for _ in range(count):
        call()
    return (clock() - start) / count


def return_freed_blocks() -> None:
    """Have the C library give freed blocks back, so that the peak is that of the tensors.

    glibc keeps small blocks that were freed, which hides memory that is taken again. From 64 KiB
    on each block is the system's own then.
    """
    with suppress(OSError, AttributeError):  # another C library
        for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD):
            ctypes.CDLL(None).mallopt(option, 65536)


def peak_memory(call: Call, device: torch.device) -> int | None:
    """Bytes that a call holds at most, beyond what was held before it; None where nothing says so.

    Tensors on CUDA; on the CPU the resident size of this process, which therefore should do
    nothing else. A first call is not counted: it loads code and makes what stays.
    """
    call()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        held = torch.cuda.memory_allocated(device)
        call()
        return torch.cuda.max_memory_allocated(device) - held
    before = forget_peak()
    call()
    return None if before is None else max(0, (resident_peak() or 0) - before)


def forget_peak() -> int | None:
    """Give freed memory back, let the peak start anew where the system can, and return it."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return resident_peak()
