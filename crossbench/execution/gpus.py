"""The GPUs of this machine, shared out among processes by the memory that runs have held."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROUNDING = 1e-9


def choose(taken: Sequence[float], share: float) -> int | None:
    """The GPU for a process: of those with room for it the one that has most.

    Args:
        taken: The share of each GPU that is taken.
        share: What the process takes of one.

    Returns:
        Its number; None where none has room now.

    Example:
        >>> choose([0.5, 0.25], 0.5)
        1
        >>> choose([0.75, 0.75], 0.5) is None
        True
    """
    least = min(range(len(taken)), key=taken.__getitem__)
    return least if taken[least] + share <= 1 + _ROUNDING else None


class Gpus:
    """Places on GPUs, each taken for as long as a process works.

    Args:
        count: How many GPUs there are.
    """

    def __init__(self, count: int) -> None:
        self._taken = [0.0] * count
        self._changed = threading.Condition()
        self._closed = False

    @contextmanager
    def place(self, share: Callable[[], float]) -> Iterator[int]:
        """Hold a share of a GPU while the block lasts; wait for it where there is no room.

        Args:
            share: What is taken of one GPU, asked anew whenever another has left; above 1 counts
                as 1.

        Yields:
            The GPU's number.

        Raises:
            KeyboardInterrupt: If no more places are given out.
        """
        with self._changed:
            taken = min(share(), 1.0)
            while (gpu := choose(self._taken, taken)) is None and not self._closed:
                self._changed.wait()
                taken = min(share(), 1.0)
            if self._closed or gpu is None:
                raise KeyboardInterrupt
            self._taken[gpu] += taken
        try:
            yield gpu
        finally:
            with self._changed:
                self._taken[gpu] -= taken
                self._changed.notify_all()

    def close(self) -> None:
        """Give out no more places."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
