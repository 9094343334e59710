"""A process and its descendants, and the memory that they hold, as Linux tells it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def memory_of_tree(process: int, *, above: int) -> int:
    """Resident bytes of a process and its descendants.

    Pages that several processes share are counted once where that decides: the plain sum, which is
    quick to read and never too low, is enough below the threshold.

    Args:
        process: Its number.
        above: Threshold in bytes above which the sum must be exact.

    Returns:
        The bytes; 0 where the system does not tell.
    """
    tree = process_tree(process)
    held = sum(map(_resident, tree))
    return held if held <= above else sum(map(_proportional, tree))


def process_tree(process: int) -> list[int]:
    """A process and its descendants, as far as the system tells them: parents first."""
    found = [process]
    for each in found:  # grows
        with suppress(OSError):
            for thread in Path(f"/proc/{each}/task").iterdir():
                found += map(int, (thread / "children").read_text(encoding="ascii").split())
    return found


def _resident(process: int) -> int:
    try:
        pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    except (OSError, IndexError):
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def _proportional(process: int) -> int:
    """Resident bytes, of shared pages the process's part."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):
        return _resident(process)
