"""The schedule of a sweep before it runs: when each process would be free, and what that costs.

A discrete-event simulation of what :class:`crossbench.execution.sweep.Sweep` does: whoever is free
takes the next group of runs, the longest first. On a cluster a group on a task whose data its node
has not yet begins once that has come.
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
class Data:
    """The data of a task, as it comes to a machine.

    Attributes:
        task: The task.
        seconds: What sending it takes; 0 where it is there.
    """

    task: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What a number of processes would do.

    Attributes:
        processes: How many there are.
        nodes: The machines among which they are divided.
        makespan: Seconds from the start to the end of the last group.
        busy: Seconds of work, all processes together.
    """

    processes: int
    nodes: int = 1
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


def simulate(
    seconds: Sequence[float],
    processes: int,
    *,
    nodes: int = 1,
    data: Sequence[Data] | None = None,
) -> Schedule:
    """Hand groups to processes as a sweep does.

    A node gets the data of a task with the first group on it; one machine sends, to one node after
    the other.

    Args:
        seconds: What each group takes, in the order in which they are handed out.
        processes: How many work at a time, all nodes together.
        nodes: Among how many machines they are divided.
        data: What each group reads; None where nothing is sent.

    Raises:
        RequestError: If there are no processes, or fewer than nodes.

    Example:
        >>> simulate([3.0, 2.0, 2.0], 2).makespan
        4.0
        >>> scan = Data(task="scan", seconds=1.0)
        >>> simulate([3.0, 2.0, 2.0], 2, nodes=2, data=[scan] * 3).makespan  # the second waits
        6.0
    """
    if processes < max(1, nodes):
        msg = f"processes (={processes}) must be at least {max(1, nodes)} to simulate a schedule"
        raise RequestError(msg)
    free = [(0.0, slot) for slot in range(min(processes, len(seconds)))]  # when each has no more
    arrived: dict[tuple[int, str], float] = {}
    sent = 0.0  # when the machine that sends has nothing more to send
    for number, each in enumerate(seconds):
        begin, slot = free[0]
        if data is not None:
            place = slot % nodes, data[number].task
            if place not in arrived:
                arrived[place] = sent = max(sent, begin) + data[number].seconds
            begin = max(begin, arrived[place])
        heapq.heapreplace(free, (begin + each, slot))
    makespan = max((end for end, _ in free), default=0.0)
    return Schedule(processes=processes, nodes=nodes, makespan=makespan, busy=sum(seconds))


def group_seconds(plan: Plan, seconds: dict[str, float]) -> list[tuple[float, str]]:
    """What each group of a plan's runs takes, and on which task it is.

    Args:
        plan: The plan.
        seconds: What each run to do takes, by identity.
    """
    return [
        (sum(seconds[run.identity] for run in group), task.card.name)
        for task in plan.tasks
        for group in task.groups
    ]
