"""``--time-limit`` and ``--memory-limit``: what a process may use, in words that people write."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.errors import RequestError

if TYPE_CHECKING:
    import argparse

    from crossbench.execution.isolation import Limits

_SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_TIMES = {"": 1, "s": 1, "m": 60, "h": 3600}


def add_limits(parser: Any, each: str, *, time: str, memory: str) -> None:
    """Add the two limits.

    Args:
        parser: Where to.
        each: What they limit: ``each check``.
        time: What holds where none is given.
        memory: As ``time``.
    """
    parser.add_argument(
        "--time-limit", metavar="TIME", help=f"time that {each} may take, such as 90, 10m ({time})"
    )
    parser.add_argument(
        "--memory-limit", metavar="SIZE", help=f"memory that {each} may hold, as in 4G ({memory})"
    )


def chosen_limits(options: argparse.Namespace, usual: Limits) -> Limits:
    """The limits that are asked for, and elsewhere the usual ones.

    Raises:
        RequestError: If one is no time or size.
    """
    if options.time_limit is not None:
        usual = replace(usual, seconds=parse_time(options.time_limit))
    if options.memory_limit is not None:
        usual = replace(usual, memory=parse_size(options.memory_limit))
    return usual


def parse_time(text: str) -> float:
    """Seconds that a text such as ``90``, ``10m`` or ``2h`` stands for.

    Raises:
        RequestError: If it is no such text.
    """
    seconds = _quantity(text.strip().lower(), _TIMES)
    if not 0 < seconds < float("inf"):
        raise RequestError(f"time-limit (={text!r}) must be a time such as 90, 10m or 2h")
    return seconds


def parse_size(text: str) -> int:
    """Bytes that a text such as ``512M`` or ``4GiB`` stands for.

    Raises:
        RequestError: If it is no such text.
    """
    size = _quantity(text.strip().upper().removesuffix("B").removesuffix("I"), _SIZES)
    if not 1 <= size < float("inf"):
        raise RequestError(f"memory-limit (={text!r}) must be a size such as 512M or 4G")
    return int(size)


def _quantity(text: str, units: dict[str, int]) -> float:
    """A number and its unit, multiplied; 0 where it is neither."""
    unit = text[-1:] if text[-1:] in units else ""
    try:
        return float(text.removesuffix(unit)) * units[unit]
    except ValueError:
        return 0.0
