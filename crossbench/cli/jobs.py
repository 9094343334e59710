"""Further processes that help with a command: each does the same, and takes what none has claimed.

:mod:`crossbench.claims` shares the work out; here processes are only started, heard and ended.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from crossbench.cli.output import EXIT_INTERRUPTED, EXIT_OK, say
from crossbench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crossbench.plan import PlannedRun
    from crossbench.specs import RunRecord

_GRACE = 10.0


def add_jobs(parser: Any) -> None:
    """How many processes share the work."""
    parser.add_argument(
        "--jobs",
        type=int,
        default=1,
        metavar="N",
        help="share the runs out among N processes, and the cores among them (1)",
    )
    parser.add_argument("--helper", action="store_true", help=argparse.SUPPRESS)


class Echo:
    """The listener of a helper: says on standard output which runs are done."""

    def started(self, run: PlannedRun) -> None:
        """Ignore."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Ignore."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:  # noqa: ARG002
        """Say its identity."""
        print(run.identity, flush=True)


def share_cores(options: argparse.Namespace) -> None:
    """Give each process its part of the cores, where nothing else says how many threads it uses."""
    from crossbench.provenance import available_cores

    if options.jobs < 1:
        raise RequestError(f"--jobs (={options.jobs}) must be at least 1")
    if options.jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // options.jobs)))


@contextmanager
def helpers(options: argparse.Namespace, todo: int) -> Iterator[SimpleQueue[str]]:
    """Have the other processes of ``--jobs`` do the same command meanwhile.

    Args:
        options: The command, as parsed.
        todo: How much work there is: as many processes have something to do.

    Yields:
        The identities of the runs that they finish.
    """
    # -P: what lies in the working folder must not pass for the library.
    command = [sys.executable, "-P", "-m", "crossbench", *options.words, "--jobs=1", "--helper"]
    pipe, heard = subprocess.PIPE, SimpleQueue[str]()
    with ExitStack() as stack:
        team = []
        for _ in range(min(options.jobs, todo) - 1):
            # A session of its own: Ctrl-C is for this process, which tells the others.
            process = subprocess.Popen(  # noqa: S603  (this very command)
                command, stdin=pipe, stdout=pipe, text=True, start_new_session=True
            )
            team.append(stack.enter_context(process))
            stack.callback(_end, process)
            threading.Thread(target=_hear, args=[process, heard], daemon=True).start()
        yield heard
        if lost := sum(process.wait() != EXIT_OK for process in team):
            say([f"{lost} of {len(team)} helping processes ended early; the others did their work"])


def help_with(work: Callable[[Echo], object]) -> int:
    """Be a helper: do the work, speak of nothing but runs, and end with the one that is helped."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work(Echo())
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    return EXIT_OK


def _end(process: subprocess.Popen[str]) -> None:
    """Interrupt a process that still works, so that it leaves nothing half-written."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()


def _hear(process: subprocess.Popen[str], heard: SimpleQueue[str]) -> None:
    for line in process.stdout or ():
        heard.put(line.strip())


def _end_with_parent() -> None:
    """One that is gone has closed its end of the pipe, however it ended."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(EXIT_INTERRUPTED)
