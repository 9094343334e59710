"""``--executor``: the machines that do a command's runs."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crossbench.cli.jobs import isolation_of, jobs_of, share_cores
from crossbench.cli.limits import chosen_limits
from crossbench.cli.output import say
from crossbench.errors import RequestError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from crossbench.execution.processes import Processes
    from crossbench.execution.ray.executor import Ray
    from crossbench.results.records.store import Store

LOCAL, RAY = "local", "ray"


def add_executor(parser: Any, what: str = "the runs") -> None:
    """Add where the work is done.

    Args:
        parser: Where to.
        what: The work, in words.
    """
    parser.add_argument(
        "--executor",
        choices=(LOCAL, RAY),
        default=LOCAL,
        help=f"do {what} on this machine, or on a Ray cluster: one that is started here, or that "
        "of --address (local)",
    )
    parser.add_argument(
        "--address",
        metavar="HOST:PORT",
        help="a Ray cluster that is there, or auto for this machine's",
    )


def prepare_executor(options: Namespace) -> None:
    """Check what is asked for, share the cores, and have processes get ready.

    Raises:
        RequestError: If the options contradict each other.
    """
    jobs = jobs_of(options)
    prepare_cluster(options)
    if options.executor == LOCAL:
        share_cores(jobs)
        if isolation_of(options) is not None and not options.dry_run:
            from crossbench.execution.isolation import warm_up

            warm_up()
        return
    if options.isolate is False:
        raise RequestError("--executor ray isolates every run; leave --no-isolate out")


def prepare_cluster(options: Namespace) -> None:
    """Check what is asked for of a cluster, and say how many threads its nodes use.

    Raises:
        RequestError: If an address is given and no cluster asked for.
    """
    if options.executor == RAY:
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # nodes differ in cores, and results must not
    elif options.address is not None:
        raise RequestError(f"--address (={options.address!r}) is of --executor ray; add that")


@contextmanager
def cluster_of(options: Namespace) -> Iterator[bool]:
    """Be connected to the cluster that is asked for while the block lasts.

    Yields:
        Whether one is asked for.

    Raises:
        RequestError: If there is no such cluster.
    """
    if options.executor == LOCAL:
        yield False
        return
    from crossbench.execution.ray.connection import connected

    with connected(options.address):
        yield True


@contextmanager
def executor_of(options: Namespace, store: Store, device: Any) -> Iterator[Processes | Ray | None]:
    """The executor of the runs while the block lasts; None where this process does them.

    Raises:
        RequestError: If there is no such cluster, or it has no room for a run.
    """
    if options.dry_run:
        yield None
    elif options.executor == RAY:
        from crossbench.execution.isolation import UNLIMITED
        from crossbench.execution.ray.executor import Ray

        given = chosen_limits(options, UNLIMITED)
        with cluster_of(options):
            executor = Ray(store, device, jobs=options.jobs, limits=given)
            say([f"on Ray: {executor.jobs} at a time"])
            yield executor
    elif (limits := isolation_of(options)) is not None:
        from crossbench.execution.processes import Processes

        yield Processes(store, device, jobs=jobs_of(options), limits=limits)
    else:
        yield None
