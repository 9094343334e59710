"""``crossbench pretrain``: 2D weights of a method's own."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import (
    add_backbone,
    add_data_dir,
    add_device,
    add_out,
    add_plugins,
    add_settings,
    run_request,
)
from crossbench.cli.names import chosen_methods
from crossbench.cli.output import EXIT_OK, aside, print_json, say

if TYPE_CHECKING:
    import argparse

    from crossbench.pretraining import Pretraining
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
    add_settings(what, name="pretrain_settings", example="epochs=5")
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
        pretrainings = _prepare(options, device)
        if options.dry_run:
            return _dry_run(pretrainings, group)
        records = []
        for planned in pretrainings:
            with PretrainBar(planned, group) as bar, aside():
                records.append(pretrain(planned, listener=bar, group=group))
        if group.is_main:
            _tell(options, pretrainings, records)
    return EXIT_OK


def _prepare(options: argparse.Namespace, device: Any) -> list[Pretraining]:
    """One pretraining for each form of layers: methods of one form share 2D weights."""
    from crossbench.nets.backbones import layer_form
    from crossbench.pretraining import PretrainRequest, prepare

    methods = reversed(chosen_methods(options))
    forms = {layer_form(method): method.name for method in methods}  # the first of each
    run = replace(run_request(options), seeds=(options.seed,), folds=(options.fold,))
    settings = tuple(options.pretrain_settings)
    with aside():
        return [
            prepare(
                PretrainRequest(
                    data=options.data,
                    run=replace(run, methods=(name,)),
                    settings=settings,
                    out=str(options.out),
                ),
                device,
            )
            for name in reversed(forms.values())
        ]


def _dry_run(pretrainings: list[Pretraining], group: ProcessGroup) -> int:
    from crossbench.pretraining import estimate_seconds, record_path

    for planned in pretrainings if group.is_main else ():
        with aside():
            seconds = estimate_seconds(planned, group=group)
        cost = f"about {seconds:.0f} s" if seconds else "already there"
        print(f"{record_path(planned)}: {cost}")
    return EXIT_OK


def _tell(
    options: argparse.Namespace, pretrainings: list[Pretraining], records: list[PretrainRecord]
) -> None:
    from crossbench.pretraining import checkpoint_path
    from crossbench.specs.reader import to_mapping

    if options.json:
        print_json([to_mapping(record) for record in records])
        return
    for planned, record in zip(pretrainings, records, strict=True):
        if lost := sum(map(len, record.unreadable.values())):
            say([f"{record.data}: {lost} images could not be read; the record names them"])
        say([f"note: {warning}" for warning in record.warnings])
        accuracy = record.metrics["accuracy"]
        say([f"accuracy {accuracy:.4f}, {record.throughput:.0f} images/s"])
        print(checkpoint_path(planned, record))
    say([f"report: crossbench report {options.out}"])
