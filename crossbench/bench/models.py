"""``crossbench bench models``: whole networks, in 2D beside nn.Conv2d's and in 3D nn.Conv3d's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.bench.cases import Network, parse_input
from crossbench.bench.jobs import Setup
from crossbench.bench.record import find_machine, measure
from crossbench.data.inputs import find_kind, kind_of
from crossbench.errors import RequestError
from crossbench.execution.resources import Resources
from crossbench.methods import KINDS, input_kinds
from crossbench.registry.tasks import load_tasks
from crossbench.results.records.benches import BenchRecord
from crossbench.specs import InputSettings
from crossbench.specs.reader import from_mapping, to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.bench.record import Machine
    from crossbench.methods import Method
    from crossbench.specs import TaskCard

TASKS = "tasks"


def find_networks(inputs: Sequence[str], *, batch: int, backbone: str) -> list[Network]:
    """The networks to time, one for each size of input.

    Args:
        inputs: Sizes such as ``224``, ``96x128`` or ``64x64x64``; ``tasks`` stands for those of
            all registered tasks of images and volumes.
        batch: Samples a call.
        backbone: timm name.

    Raises:
        RequestError: If a size cannot be read or the batch is not positive.
    """
    if batch < 1:
        raise RequestError(f"batch (={batch}) must be at least 1")
    sizes: list[tuple[int, ...]] = []
    for text in inputs:
        sizes += _task_sizes() if text == TASKS else [parse_input(text)]
    return [_network(size, batch, backbone) for size in dict.fromkeys(sizes)]


def _network(size: tuple[int, ...], batch: int, backbone: str) -> Network:
    kind = find_kind(KINDS[len(size)])
    return Network(
        name="x".join(map(str, size)),
        kind=kind.name,
        shape=(batch, kind.channels_fed, *size),
        backbone=backbone,
    )


def bench_models(
    networks: Sequence[Network], methods: Sequence[Method], setup: Setup, machine: Machine
) -> Iterator[BenchRecord]:
    """Measure inference and training steps of networks, for the methods of their dimension.

    Yields:
        Two records a network, as soon as they are there.
    """
    for network, names, backward in _cases(networks, methods):
        yield measure(network, names, setup, machine, backward=backward)


def bench_models_on_ray(
    networks: Sequence[Network], methods: Sequence[Method], setup: Setup
) -> Iterator[BenchRecord]:
    """Measure as :func:`bench_models`, each case on whichever machine of a cluster is free.

    Yields:
        Records of the machines that they were measured on.
    """
    from crossbench.execution.ray.calls import call_each
    from crossbench.execution.ray.parcels import pack_plugins

    plugins, carried = pack_plugins(setup.plugins, methods)
    there = to_mapping(replace(setup, plugins=plugins))
    for record in call_each(
        "crossbench.bench.models:measure_here",
        [
            {"network": to_mapping(network), "methods": names, "setup": there, "backward": backward}
            for network, names, backward in _cases(networks, methods)
        ],
        needs=Resources(cpus=setup.threads, gpus=float(setup.device.startswith("cuda"))),
        carried=carried,
    ):
        yield from_mapping(BenchRecord, record, where="the record of a node")


def measure_here(
    network: dict[str, Any], methods: list[str], setup: dict[str, Any], *, backward: bool
) -> dict[str, Any]:
    """One record, as JSON, of the machine that this process is on; arguments are JSON too."""
    chosen = from_mapping(Setup, setup, where="the setup")
    case = from_mapping(Network, network, where="the network")
    return to_mapping(measure(case, methods, chosen, find_machine(chosen), backward=backward))


def _cases(
    networks: Sequence[Network], methods: Sequence[Method]
) -> Iterator[tuple[Network, list[str], bool]]:
    """Networks with the names of methods of their dimension, without and with a backward pass."""
    for network in networks:
        names = [method.name for method in methods if network.kind in input_kinds(method)]
        for backward in (False, True):
            yield network, names, backward


def _task_sizes() -> list[tuple[int, ...]]:
    """What networks are fed of registered images and volumes, 2D before 3D, small before large."""
    cards = (card for card in load_tasks().values() if card.kind in KINDS.values())
    sizes = {size for card in cards if (size := _size(card)) is not None}
    return sorted(sizes, key=lambda size: (len(size), size))


def _size(card: TaskCard) -> tuple[int, ...] | None:
    if card.shape is None and card.input_size is None:
        return None
    usual = InputSettings(scaling="sample")
    return kind_of(card).fed_shape(card, card.shape or (), usual)
