"""``--jobs``: further processes that do the same command, each taking what none has claimed.

:mod:`crossbench.execution.claims` shares the work out; here processes are only started, heard and
ended.
"""

from __future__ import annotations

import argparse
import json
import os
import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from crossbench.cli.output import EXIT_OK, say
from crossbench.errors import CrossbenchError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.execution.isolation import Child


def add_jobs(parser: Any) -> None:
    """Add the number of processes, and whether failed runs are tried again."""
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="share the runs out among N processes, and the cores among them (1)",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="do runs again that failed before; without it they are left at that",
    )
    parser.add_argument("--helper", metavar="WORK", help=argparse.SUPPRESS)


def left_failed(count: int) -> str:
    """How many runs are left failed, and the remedy."""
    return f"{count} failed before and left at that (--retry-failed tries them again)"


class Team:
    """The processes that share a command's work, as one of them sees the others.

    Attributes:
        heard: The identities of the runs that the others finish.
        helps: Whether this process is one of those that help.
    """

    def __init__(self, words: Sequence[str], helpers: int, *, work: str | None = None) -> None:
        self.heard = SimpleQueue[str]()
        self.helps = work is not None
        self._words, self._helpers, self._work = list(words), helpers, work
        self._members: list[tuple[Child, threading.Thread]] = []
        self._lost = 0

    def begin(self, work: Any = None) -> Any:
        """Start the helpers, which do what the first process found to do and nothing else.

        Args:
            work: What there is to do, as JSON.

        Returns:
            The same, in all processes.
        """
        from crossbench.execution import isolation

        if self._work is not None:
            return json.loads(self._work)
        for _ in range(self._helpers):
            child = isolation.start(
                "crossbench.cli.jobs:help_with", {"words": self._words, "work": work}
            )
            listening = threading.Thread(target=self._listen, args=[child], daemon=True)
            listening.start()
            self._members.append((child, listening))
        return work

    def end(self) -> None:
        """End the helpers that are still at work; they leave nothing half-written."""
        from crossbench.execution.isolation import GRACE

        working = [(child, thread) for child, thread in self._members if thread.is_alive()]
        for child, _ in working:
            child.interrupt()
        for child, thread in working:
            thread.join(GRACE)
            if thread.is_alive():
                child.kill()

    def lost(self) -> str:
        """How many of the others ended early, in words; empty if none did."""
        ended = f"{self._lost} of {len(self._members)} helping processes ended early"
        return f"{ended}; the others did their work" if self._lost else ""

    def _listen(self, child: Child) -> None:
        try:
            child.result(hear=self.heard.put)
        except CrossbenchError:
            self._lost += 1


@contextmanager
def team(options: argparse.Namespace) -> Iterator[Team]:
    """Have the other processes of ``--jobs`` do the same command meanwhile.

    Raises:
        RequestError: If there is no such number of processes.
    """
    _share_cores(options.jobs)
    helpers = 0 if options.dry_run or options.helper else options.jobs - 1
    if helpers:
        from crossbench.execution.isolation import warm_up

        warm_up()  # importing torch takes it seconds, as it does this process
    together = Team(options.words, helpers, work=options.helper)
    try:
        yield together
        say([words] if (words := together.lost()) else [])
    finally:
        together.end()


def help_with(words: list[str], work: Any) -> None:
    """Do a command as one of its helping processes.

    Args:
        words: The command's.
        work: What the first process found to do.

    Raises:
        RequestError: If it ended early.
    """
    from crossbench.cli import main

    if main([*words, "--jobs=1", "--helper", json.dumps(work)]) != EXIT_OK:
        raise RequestError("the helping process ended early")


def _share_cores(jobs: int) -> None:
    """Give each process its part of the cores, where nothing else says how many threads it uses."""
    from crossbench.environment.provenance import available_cores

    if jobs < 1:
        raise RequestError(f"--jobs (={jobs}) must be at least 1")
    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // jobs)))
