"""Further processes that help with a command: each does the same, and takes what none has claimed.

:mod:`crossbench.execution.claims` shares the work out; here processes are only started, heard and
ended.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from crossbench.cli.output import EXIT_OK, say
from crossbench.errors import RequestError
from crossbench.execution import interpreter, isolation

if TYPE_CHECKING:
    from collections.abc import Iterator


def add_jobs(parser: Any) -> None:
    """How many processes share the work, and whether what failed is a part of it."""
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
    parser.add_argument("--helper", action="store_true", help=argparse.SUPPRESS)


def left_failed(count: int) -> str:
    """How many runs are left failed, and the remedy."""
    return f"{count} failed before and left at that (--retry-failed tries them again)"


class Team:
    """The processes that share a command's work, as one of them sees the others.

    Attributes:
        heard: The identities of the runs that the others finish.
    """

    def __init__(self, told: SimpleQueue[str] | None = None) -> None:
        self.heard = SimpleQueue[str]()
        self._told = told
        self._members: list[subprocess.Popen[str]] = []

    @property
    def helps(self) -> bool:
        """Whether this process is one of those that help."""
        return self._told is not None

    def begin(self, work: Any = None) -> Any:
        """Begin together: the first process says what there is to do, the others wait for that.

        So whatever is there then was there before any of them, and nothing is planned twice.

        Args:
            work: What the first process says, as JSON.

        Returns:
            The same, in all of them.
        """
        if self._told is not None:
            return json.loads(self._told.get())
        for process in self._members:
            try:
                print(json.dumps(work), file=process.stdin, flush=True)
            except BrokenPipeError:  # it has ended; the others do its work
                continue
        return work

    def add(self, process: subprocess.Popen[str]) -> None:
        """Listen to one more process."""
        self._members.append(process)
        threading.Thread(target=self._hear, args=[process], daemon=True).start()

    def lost(self) -> str:
        """How many of the others ended early, in words; empty if none did."""
        lost = sum(process.poll() not in (None, EXIT_OK) for process in self._members)
        ended = f"{lost} of {len(self._members)} helping processes ended early"
        return f"{ended}; the others did their work" if lost else ""

    def _hear(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.heard.put(line.strip())


@contextmanager
def team(options: argparse.Namespace) -> Iterator[Team]:
    """Have the other processes of ``--jobs`` do the same command meanwhile.

    They start at once, for to import torch takes them seconds too.

    Raises:
        RequestError: If there is no such number of processes.
    """
    _share_cores(options.jobs)
    if options.helper:
        yield Team(_listen())
        return
    together = Team()
    with ExitStack() as stack:
        for _ in range(0 if options.dry_run else options.jobs - 1):
            together.add(process := stack.enter_context(_start(options.words)))
            stack.callback(isolation.stop, process)
        yield together
        say([words] if (words := together.lost()) else [])


def _share_cores(jobs: int) -> None:
    """Give each process its part of the cores, where nothing else says how many threads it uses."""
    from crossbench.environment.provenance import available_cores

    if jobs < 1:
        raise RequestError(f"--jobs (={jobs}) must be at least 1")
    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // jobs)))


def _start(words: list[str]) -> subprocess.Popen[str]:
    """A helper, which is silent but for the runs that it has done."""
    return interpreter.start(
        *("-m", "crossbench", *words, "--jobs=1", "--helper"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the one that is helped, which tells the others
    )


def _listen() -> SimpleQueue[str]:
    """What the process that is helped says, whose end is the end of this one."""
    from crossbench.execution.attempts import put_back

    told = SimpleQueue[str]()
    isolation.end_with_parent(isolation.private_stdin(), told.put, before=put_back)
    return told
