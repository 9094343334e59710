"""``--jobs`` and ``--isolate``: which processes do a command's runs, and within what limits."""

from __future__ import annotations

import argparse
import os
import threading
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from crossbench.cli.limits import add_limits, chosen_limits
from crossbench.cli.output import say
from crossbench.errors import CrossbenchError, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossbench.execution.isolation import Child, Limits


def add_jobs(parser: Any, usual: int | None = 1, among: str = "1") -> None:
    """Add the number of processes, and whether failed runs are tried again.

    Args:
        parser: Where to.
        usual: The number where none is given.
        among: That, in words.
    """
    parser.add_argument(
        "--jobs",
        type=int,
        default=usual,
        metavar="N",
        help=f"share the runs out among N processes, and the cores among them ({among})",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="do runs again that failed before; without it they are left at that",
    )


def add_isolation(parser: Any) -> None:
    """Add whether runs are done in processes of their own, and what each may use."""
    parser.add_argument(
        "--isolate",
        action=argparse.BooleanOptionalAction,
        help="do each run, or runs that share features, in a process of its own (where methods "
        "come from files, with --jobs above 1, and with a limit)",
    )
    add_limits(parser, "each run", time="no limit", memory="no limit")


def isolation_of(options: argparse.Namespace) -> Limits | None:
    """What each process of a run may use; None where the runs are done in this process.

    Raises:
        RequestError: If a limit is none, or is to hold in this process.
    """
    from crossbench.execution.isolation import UNLIMITED

    limits = chosen_limits(options, UNLIMITED)
    needs = jobs_of(options) > 1 or limits != UNLIMITED
    if options.isolate is False and needs:
        msg = "--jobs above 1, --time-limit and --memory-limit need processes that can be ended"
        raise RequestError(f"{msg}; leave --no-isolate out")
    isolated = bool(options.plugins) if options.isolate is None else options.isolate
    return limits if isolated or needs else None


def jobs_of(options: argparse.Namespace) -> int:
    """Number of processes that is asked for; 1 where none is.

    Raises:
        RequestError: If there is no such number.
    """
    jobs = 1 if options.jobs is None else int(options.jobs)
    if jobs < 1:
        raise RequestError(f"--jobs (={jobs}) must be at least 1")
    return jobs


def left_failed(count: int) -> str:
    """Number of runs left failed, with the remedy."""
    return f"{count} failed before and left at that (--retry-failed tries them again)"


class Team:
    """The processes that help with a command's work.

    Args:
        helpers: How many there are to be.

    Attributes:
        heard: The identities of the runs that they finish.
    """

    def __init__(self, helpers: int) -> None:
        self.heard = SimpleQueue[str]()
        self._helpers = helpers
        self._members: list[tuple[Child, threading.Thread]] = []
        self._lost = 0

    def begin(self, work: str, **arguments: Any) -> None:
        """Start the helpers.

        Args:
            work: What each does, as :func:`crossbench.execution.isolation.call` takes it.
            **arguments: Its arguments.
        """
        from crossbench.execution import isolation

        for _ in range(self._helpers):
            child = isolation.start(work, arguments)
            listening = threading.Thread(target=self._listen, args=[child], daemon=True)
            listening.start()
            self._members.append((child, listening))

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
        """Number of helpers that ended early, in words; empty if none did."""
        ended = f"{self._lost} of {len(self._members)} helping processes ended early"
        return f"{ended}; the others did their work" if self._lost else ""

    def _listen(self, child: Child) -> None:
        try:
            child.result(hear=self.heard.put)
        except CrossbenchError:
            self._lost += 1


@contextmanager
def team(options: argparse.Namespace) -> Iterator[Team]:
    """Have the other processes of ``--jobs`` get ready, and end them with the block.

    Raises:
        RequestError: If there is no such number of processes.
    """
    jobs = jobs_of(options)
    share_cores(jobs)
    helpers = 0 if options.dry_run else jobs - 1
    if helpers:
        from crossbench.execution.isolation import warm_up

        warm_up()  # importing torch takes it seconds, as it does this process
    together = Team(helpers)
    try:
        yield together
        say([words] if (words := together.lost()) else [])
    finally:
        together.end()


def share_cores(jobs: int) -> None:
    """Give each process its part of the cores, where nothing else says how many threads it uses."""
    from crossbench.environment.provenance import available_cores

    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // jobs)))
