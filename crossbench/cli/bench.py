"""``crossbench bench``: what methods cost on this machine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import (
    add_backbone,
    add_device,
    add_out,
    add_plugins,
    add_settings,
    run_request,
)
from crossbench.cli.executors import LOCAL, add_executor, cluster_of, prepare_cluster
from crossbench.cli.names import chosen_methods
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, say, tracked
from crossbench.errors import RequestError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

    from crossbench.bench.jobs import Setup
    from crossbench.methods import Method
    from crossbench.results.records.benches import BenchRecord

    # How many records there will be, and what measures them.
    _Bench = tuple[int, Callable[[], Iterator[BenchRecord]]]

_DTYPES = ("float32", "tf32", "bfloat16")


def add(commands: Any) -> None:
    """Add the command's parser, which has one for each kind of bench."""
    bench = commands.add_parser(
        "bench",
        help="time layers, networks and whole runs",
        description="Time layers, networks and whole runs of methods beside plain convolutions.",
    )
    kinds = bench.add_subparsers(title="what to time", required=True, metavar="KIND")
    _add_ops(kinds)
    _add_models(kinds)
    _add_harness(kinds)


def _add_ops(kinds: Any) -> None:
    ops = kinds.add_parser("ops", help="one layer at a time, beside nn.Conv2d")
    ops.set_defaults(command=_bench, bench=_ops, executor=LOCAL, address=None)
    ops.add_argument(
        "--shapes",
        default="paper",
        metavar="SET",
        help="paper (Table III), resnet18, or a TOML file of [[layer]] tables (paper)",
    )
    ops.add_argument("--backward", action="store_true", help="time training steps")
    ops.add_argument(
        "--max-batch", type=int, metavar="N", help="at most N samples a call (what fits)"
    )
    _add_common(ops, repeats=30)


def _add_models(kinds: Any) -> None:
    models = kinds.add_parser("models", help="whole networks, inference and training steps")
    models.set_defaults(command=_bench, bench=_models)
    models.add_argument(
        "--input",
        dest="inputs",
        nargs="+",
        default=["224", "64x64x64"],
        metavar="SIZE",
        help="224, HxW, DxHxW, or tasks for the sizes of all tasks (224 64x64x64)",
    )
    models.add_argument("--batch", type=int, default=8, help="samples a call (8)")
    add_backbone(models)
    add_executor(models, "each network")
    _add_common(models, repeats=10)


def _add_harness(kinds: Any) -> None:
    harness = kinds.add_parser("harness", help="one whole run of each method, by phase")
    harness.set_defaults(command=_bench, bench=_harness, executor=LOCAL, address=None)
    harness.add_argument(
        "--task",
        dest="tasks",
        default="nodule-malignancy-2d,nodule-malignancy-3d",
        metavar="X[,Y]",
        help="tasks or card files (the two of nodule malignancy)",
    )
    harness.add_argument("--preset", default="smoke", help="settings to run under (smoke)")
    harness.add_argument("--protocol", default="weak-probe", help="how to fit (weak-probe)")
    add_backbone(harness)
    add_settings(harness)
    _add_common(harness, repeats=1)


def _add_common(parser: argparse.ArgumentParser, *, repeats: int) -> None:
    # --methods was its name in 0.1.
    parser.add_argument(
        "--method", "--methods", default="all", metavar="A[,B]", help="methods, or all"
    )
    add_plugins(parser)
    add_device(parser)
    parser.add_argument("--dtype", choices=_DTYPES, default="float32", help="(float32)")
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        help="CPU threads; 0 for $OMP_NUM_THREADS or all cores (0)",
    )
    parser.add_argument(
        "--repeats", type=int, default=repeats, help=f"timed turns of each method ({repeats})"
    )
    add_out(parser)


def _bench(options: argparse.Namespace) -> int:
    from crossbench.bench.record import make_setup
    from crossbench.registry.method_identity import identify
    from crossbench.registry.method_origin import method_origin
    from crossbench.results.boards.bench_frame import bench_frame
    from crossbench.results.boards.benches import bench_tables
    from crossbench.results.records.benches import write_bench
    from crossbench.results.records.kinds import Found
    from crossbench.results.report.render import render

    prepare_cluster(options)
    setup = make_setup(
        device=options.device,
        dtype=options.dtype,
        threads=options.threads,
        repeats=options.repeats,
        plugins=options.plugins,
    )
    methods = chosen_methods(options)
    count, measured = options.bench(options, methods, setup)
    facts = {each.name: method_origin(each) | identify(each).facts for each in methods}
    found = []
    for record in tracked(measured(), "measuring", total=count):
        told = replace(record, provenance=record.provenance | {"methods": facts})
        found.append(Found(write_bench(options.out, told), told))
    print(render(bench_tables(bench_frame(found)), "table"))
    say([f"{len(found)} records in {options.out}; report: crossbench report {options.out}"])
    failed = [
        f"failed: {each.method} on {record.case}: {each.error['class']}: {each.error['message']}"
        for _, record in found
        for each in record.measurements
        if each.status == "failed" and each.error is not None
    ]
    say(failed)
    return EXIT_FAILED if failed else EXIT_OK


def _ops(options: argparse.Namespace, methods: Sequence[Method], setup: Setup) -> _Bench:
    from crossbench.bench.cases import find_layers
    from crossbench.bench.ops import bench_ops
    from crossbench.bench.record import find_machine
    from crossbench.methods import NetworkMethod

    layers = find_layers(options.shapes)
    if options.max_batch is not None and options.max_batch < 1:
        raise RequestError(f"max-batch (={options.max_batch}) must be at least 1")
    whole = [method.name for method in methods if isinstance(method, NetworkMethod)]
    why = "builds whole networks and has no layer to time; crossbench bench models times them"
    say([f"not applicable: {name} {why}" for name in whole])
    how = {"backward": options.backward, "max_batch": options.max_batch}
    return len(layers), lambda: bench_ops(layers, methods, setup, find_machine(setup), **how)


def _models(options: argparse.Namespace, methods: Sequence[Method], setup: Setup) -> _Bench:
    from crossbench.bench.models import bench_models, bench_models_on_ray, find_networks
    from crossbench.bench.record import find_machine

    networks = find_networks(options.inputs, batch=options.batch, backbone=options.backbone)

    def measured() -> Iterator[BenchRecord]:
        with cluster_of(options) as on_ray:
            if on_ray:
                yield from bench_models_on_ray(networks, methods, setup)
            else:
                yield from bench_models(networks, methods, setup, find_machine(setup))

    return 2 * len(networks), measured


def _harness(options: argparse.Namespace, methods: Sequence[Method], setup: Setup) -> _Bench:
    from crossbench.bench.harness import bench_harness, find_runs
    from crossbench.bench.record import find_machine

    runs = find_runs(run_request(options))
    return len(runs), lambda: bench_harness(runs, methods, setup, find_machine(setup))
