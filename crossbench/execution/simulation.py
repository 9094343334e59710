"""The schedule of a sweep before it runs: when each process would be free, and what that costs.

A discrete-event simulation of what :class:`crossbench.execution.sweep.Sweep` does: whoever is free
takes the next group of runs, the longest first.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from crossbench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from crossbench.runs.plan import Plan

T = TypeVar("T")

_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What a number of processes would do.

    Attributes:
        processes: How many there are.
        makespan: Seconds from the start to the end of the last group.
        busy: Seconds of work, all processes together.
    """

    processes: int
    makespan: float
    busy: float

    @property
    def idle(self) -> float:
        """The share of the processes' time in which they have nothing to do."""
        held = self.processes * self.makespan
        return max(0.0, 1 - self.busy / held) if held else 0.0

    def cost(self, price: float) -> float:
        """What it costs where a process is paid by the hour until the last one ends.

        Args:
            price: Of a process and hour.
        """
        return self.processes * self.makespan / _HOUR * price


def longest_first(groups: Iterable[T], work: Callable[[T], float]) -> list[T]:
    """Groups in the order in which a sweep hands them out; equal ones stay as they were."""
    return sorted(groups, key=work, reverse=True)


def simulate(seconds: Sequence[float], processes: int) -> Schedule:
    """Hand groups to processes as a sweep does.

    Args:
        seconds: What each group takes, in the order in which they are handed out.
        processes: How many work at a time.

    Raises:
        RequestError: If there are no processes.

    Example:
        >>> simulate([3.0, 2.0, 2.0], 2).makespan
        4.0
    """
    if processes < 1:
        raise RequestError(f"processes (={processes}) must be at least 1 to simulate a schedule")
    free = [0.0] * min(processes, len(seconds))  # when each has nothing more to do
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return Schedule(processes=processes, makespan=max(free, default=0.0), busy=sum(seconds))


def group_seconds(plan: Plan, seconds: dict[str, float]) -> list[float]:
    """What each group of a plan's runs takes, those together that share features.

    Args:
        plan: The plan.
        seconds: What each run to do takes, by identity.
    """
    found: dict[tuple[str, object], float] = {}
    for task in plan.tasks:
        for run in task.todo:
            group = task.card.name, run.feature_key
            found[group] = found.get(group, 0.0) + seconds[run.identity]
    return list(found.values())
