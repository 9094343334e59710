"""``crossbench pretrain``: 2D weights of a method's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import (
    add_backbone,
    add_data_dir,
    add_device,
    add_out,
    add_plugins,
    add_settings,
    matching,
)
from crossbench.cli.names import chosen_methods
from crossbench.cli.output import EXIT_OK, aside, print_json, say

if TYPE_CHECKING:
    import argparse

    from crossbench.pretraining import PretrainRequest
    from crossbench.pretraining.distributed import ProcessGroup
    from crossbench.results.records.pretrainings import PretrainRecord


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "pretrain",
        help="pretrain a method's 2D network",
        description="Pretrain 2D networks under the settings of the paper's Table I. The same "
        "command goes on where one was stopped; `torchrun -m crossbench pretrain ...` shares the "
        "work among processes.",
    )
    parser.set_defaults(command=_pretrain, watched=True)
    what = parser.add_argument_group("what to pretrain")
    what.add_argument("--method", required=True, metavar="A[,B]", help="methods, or all")
    what.add_argument(
        "--data",
        required=True,
        metavar="SOURCE",
        help="a 2D task, a card file, or a folder with train/CLASS/* and val/CLASS/*",
    )
    what.add_argument(
        "--preset", default="standard", help="how a task is split and scaled (standard)"
    )
    add_backbone(what)
    what.add_argument("--seed", type=int, default=43, help="of split, weights and order (43)")
    what.add_argument("--fold", type=int, default=0, help="of the task's split (0)")
    add_settings(what, example="epochs=5")
    add_plugins(what)
    where = parser.add_argument_group("where")
    add_out(where)
    add_data_dir(where)
    add_device(where)
    how = parser.add_argument_group("how")
    how.add_argument("--dry-run", action="store_true", help="show files and cost; train nothing")
    how.add_argument("--json", action="store_true", help="print the records")


def _pretrain(options: argparse.Namespace) -> int:
    from crossbench.cli.progress import PretrainBar
    from crossbench.pretraining import pretrain
    from crossbench.pretraining.distributed import process_group

    with process_group(options.device) as (group, device):
        requests = _requests(options, device)
        if options.dry_run:
            return _dry_run(requests, group)
        records = []
        for request in requests:
            with PretrainBar(request, group) as bar, aside():
                records.append(pretrain(request, listener=bar, group=group))
        if group.is_main:
            _tell(options, requests, records)
    return EXIT_OK


def _requests(options: argparse.Namespace, device: Any) -> list[PretrainRequest]:
    """One request for each form of layers: methods of one form share 2D weights."""
    from crossbench.files.paths import cache_dir, data_dir
    from crossbench.pretraining import PretrainRequest, make_settings
    from crossbench.registry.presets import find_preset

    shared = matching(options, PretrainRequest) | {
        "preset": find_preset(options.preset),
        "settings": make_settings(options.settings),
        "device": device,
        "data_dir": data_dir(options.data_dir),
        "cache_dir": cache_dir(),
    }
    requests = [
        PretrainRequest(**shared | {"method": method}) for method in chosen_methods(options)
    ]
    return list({request.form: request for request in reversed(requests)}.values())[::-1]


def _dry_run(requests: list[PretrainRequest], group: ProcessGroup) -> int:
    from crossbench.pretraining import estimate_seconds, record_path

    for request in requests if group.is_main else ():
        with aside():
            seconds = estimate_seconds(request, group=group)
        cost = f"about {seconds:.0f} s" if seconds else "already there"
        print(f"{record_path(request)}: {cost}")
    return EXIT_OK


def _tell(
    options: argparse.Namespace, requests: list[PretrainRequest], records: list[PretrainRecord]
) -> None:
    from crossbench.pretraining import checkpoint_path
    from crossbench.specs.reader import to_mapping

    if options.json:
        print_json([to_mapping(record) for record in records])
        return
    for request, record in zip(requests, records, strict=True):
        if lost := sum(map(len, record.unreadable.values())):
            say([f"{record.data}: {lost} images could not be read; the record names them"])
        say([f"note: {warning}" for warning in record.warnings])
        accuracy = record.metrics["accuracy"]
        say([f"accuracy {accuracy:.4f}, {record.throughput:.0f} images/s"])
        print(checkpoint_path(request, record))
    say([f"report: crossbench report {options.out}"])
