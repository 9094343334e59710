"""``crossbench bench ops``: one layer at a time, each method beside ``nn.Conv2d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.bench.record import measure
from crossbench.methods import NetworkMethod

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.bench.cases import Layer
    from crossbench.bench.jobs import Setup
    from crossbench.bench.record import Machine
    from crossbench.methods import Method
    from crossbench.results.records.benches import BenchRecord


def bench_ops(
    layers: Sequence[Layer],
    methods: Sequence[Method],
    setup: Setup,
    machine: Machine,
    *,
    backward: bool = False,
    max_batch: int | None = None,
) -> Iterator[BenchRecord]:
    """Measure layers one after the other.

    A method's layer is what it makes of the convolution in 2D. One that has tasks in 3D only
    shows its 3D layer, on the same input with a depth of one, as in the paper's Table III.

    Args:
        layers: What is timed.
        methods: Whose layers, if they have any; ``nn.Conv2d`` is always measured with them.
        setup: What all measurements share.
        machine: As from :func:`crossbench.bench.record.find_machine`.
        backward: Whether a call goes forward and backward.
        max_batch: At most so many samples a call, fewer where these do not fit.

    Yields:
        A record a layer, as soon as it is there.
    """
    names = [method.name for method in methods if not isinstance(method, NetworkMethod)]
    for layer in layers:
        yield measure(layer, names, setup, machine, backward=backward, max_batch=max_batch)
