"""``--jobs`` and ``--isolate``: which processes do a command's runs, and within what limits."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Any

from crossbench.cli.limits import add_limits, chosen_limits
from crossbench.errors import RequestError

if TYPE_CHECKING:
    from crossbench.execution.isolation import Limits


def add_jobs(parser: Any) -> None:
    """The number of processes, and whether failed runs are tried again."""
    parser.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="share the runs out among N processes, and the cores among them (1; on Ray, as many "
        "as there is room for)",
    )
    parser.add_argument(
        "--retry-failed",
        action="store_true",
        help="do runs again that failed before; without it they are left at that",
    )


def add_isolation(parser: Any, each: str = "each run") -> None:
    """Add whether runs are done in processes of their own, and what each may use.

    Args:
        parser: Where to.
        each: What the limits are of.
    """
    parser.add_argument(
        "--isolate",
        action=argparse.BooleanOptionalAction,
        help="do each run, or runs that share features, in a process of its own (where methods "
        "come from files, with --jobs above 1, and with a limit)",
    )
    add_limits(parser, each, time="no limit", memory="no limit")


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


def share_cores(jobs: int) -> None:
    """Give each process its part of the cores, where nothing else says how many threads it uses."""
    from crossbench.environment.provenance import available_cores

    if jobs > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, available_cores() // jobs)))
