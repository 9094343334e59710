"""Named work on the machines of a Ray cluster, one piece at a time on each."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from crossbench.errors import CrossbenchError, RequestError
from crossbench.errors.foreign import describe
from crossbench.execution.ray import nodes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from crossbench.execution.resources import Resources


def call_each(
    work: str,
    pieces: Sequence[Mapping[str, Any]],
    *,
    needs: Resources,
    carried: Mapping[str, Mapping[str, bytes]],
) -> Iterator[Any]:
    """Call a function of crossbench's once for each piece, on whichever machine is free.

    No machine has two pieces at a time, so that each measures itself alone; a machine that is
    lost, or whose software is another, gets no more, and what it had goes to another.

    Args:
        work: ``module:function``; it runs in Ray's own process there.
        pieces: Its arguments by name, as JSON, in which marks stand around the names of trees.
        needs: What a machine must have room for.
        carried: Files that go along, by tree and place.

    Yields:
        What it returns, as JSON, as soon as it is there.

    Raises:
        RequestError: If no machine is left.
        CrossbenchError: If the function raised one; the message is the same.
    """
    import ray

    order = {"software": nodes.software(), "carries": carried}
    free = _fitting(needs)
    left = deque(order | {"work": work, "arguments": piece} for piece in pieces)
    lost: list[str] = []
    working: dict[Any, tuple[str, dict[str, Any]]] = {}
    try:
        while left or working:
            while left and free:
                node, piece = free.pop(), left.popleft()
                working[_submit(node, piece, needs)] = node, piece
            if not working:
                msg = f"no node of the Ray cluster has room for {needs}, or none is left"
                raise RequestError("\n".join([f"{msg}; `ray status` shows what there is", *lost]))
            [done], _ = ray.wait(list(working), num_returns=1)
            node, piece = working.pop(done)
            try:
                reply = ray.get(done)
            except ray.exceptions.RayTaskError as error:
                raise CrossbenchError(f"its node failed: {describe(error.cause)}") from error
            except ray.exceptions.RayError as error:
                reply = {"unfit": f"was lost: {describe(error).splitlines()[0]}"}
            if "unfit" in reply:
                lost.append(f"{node[:8]} {reply['unfit']}")
                left.appendleft(piece)
                continue
            free.append(node)
            if "refused" in reply:
                raise CrossbenchError(reply["refused"])
            yield reply["reply"]
    finally:
        for task in working:
            with suppress(Exception):
                ray.cancel(task)


def _fitting(needs: Resources) -> list[str]:
    import ray

    known: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return [each["NodeID"] for each in known if each["Alive"] and needs.fit(each["Resources"])]


def _submit(node: str, order: Mapping[str, Any], needs: Resources) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    remote = ray.remote(nodes.call).options(
        name="crossbench",
        max_retries=0,
        num_cpus=needs.cpus,
        num_gpus=needs.gpus,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
    )
    return remote.remote(order)
