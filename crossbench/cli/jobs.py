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
from crossbench.execution import interpreter

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@contextmanager
def helpers(options: argparse.Namespace) -> Iterator[SimpleQueue[str]]:
    """Have the other processes of ``--jobs`` do the same command meanwhile.

    They start at once, for to import torch takes them seconds too.

    Yields:
        The identities of the runs that they finish.

    Raises:
        RequestError: If there is no such number of processes.
    """
    heard = SimpleQueue[str]()
    if options.helper:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    _share_cores(options.jobs)
    team = []
    with ExitStack() as stack:
        for _ in range(0 if options.dry_run else options.jobs - 1):
            team.append(process := stack.enter_context(_start(options.words)))
            stack.callback(_end, process)
            threading.Thread(target=_hear, args=[process, heard], daemon=True).start()
        yield heard
        if lost := sum(process.poll() not in (None, EXIT_OK) for process in team):
            say([f"{lost} of {len(team)} helping processes ended early; the others did their work"])


def _share_cores(jobs: int) -> None:
    """Give each process its part of the cores, where nothing else says how many threads it uses."""
    from crossbench.provenance import available_cores

    if jobs < 1:
        raise RequestError(f"--jobs (={jobs}) must be at least 1")
    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // jobs)))


def _start(words: list[str]) -> subprocess.Popen[str]:
    """A helper, which is silent but for the runs that it has done."""
    return interpreter.start(
        "-m",
        "crossbench",
        *words,
        "--jobs=1",
        "--helper",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the one that is helped, which tells the others
    )


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
