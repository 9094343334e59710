"""``crossbench transfer``: pretrain in 2D fold by fold, transfer to 3D, say what it was worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.cli.arguments import (
    add_backbone,
    add_data_dir,
    add_device,
    add_out,
    add_plugins,
    add_repetitions,
    add_settings,
    run_request,
)
from crossbench.cli.executors import add_executor, executor_of, prepare_executor
from crossbench.cli.jobs import add_isolation, add_jobs, jobs_of, left_failed
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, aside, say

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from crossbench.transfer import TransferPlan, TransferRequest


_SIZES = "16,32,64,128,all"


def add(commands: Any) -> None:
    """Add the command's parser."""
    transfer = commands.add_parser(
        "transfer",
        help="pretrain in 2D, transfer to 3D, compare with random weights",
        description="Pretrain 2D networks on each fold's own patients, transfer them to the "
        "target task under each protocol, run the same from random weights, and say what "
        "pretraining was worth. What is already in the results folder is kept.",
    )
    transfer.set_defaults(command=_transfer, watched=True)
    what = transfer.add_argument_group("what to run")
    what.add_argument("--source", default="nodule-malignancy-2d", help="2D task to pretrain on")
    what.add_argument(
        "--target", dest="tasks", default="nodule-malignancy-3d", help="task to transfer to"
    )
    what.add_argument(
        "--method", dest="methods", default="all", metavar="A[,B]", help="methods (all)"
    )
    what.add_argument(
        "--protocol",
        dest="protocols",
        default="all",
        metavar="P[,Q]",
        help="protocols (all that compare weights)",
    )
    what.add_argument(
        "--init",
        dest="inits",
        default="",
        metavar="W[,V]",
        help="weights to start from besides random and pretrained ones: in1k, a file, ...",
    )
    what.add_argument(
        "--curve",
        nargs="?",
        const=_SIZES,
        default="",
        metavar="N[,M]",
        help=f"run at these numbers of labelled samples, and draw the curve ({_SIZES})",
    )
    what.add_argument("--preset", default="transfer", help="settings to run under (transfer)")
    add_backbone(what)
    add_repetitions(what)
    add_settings(what)
    add_settings(what, flag="--pretrain-set", name="pretrain_settings", example="epochs=5")
    add_plugins(what)
    where = transfer.add_argument_group("where")
    add_out(where)
    add_data_dir(where)
    add_device(where)
    how = transfer.add_argument_group("how")
    add_jobs(how)
    add_isolation(how, "each run or pretraining")
    add_executor(how)
    how.add_argument(
        "--dry-run", action="store_true", help="show the stages and their cost; run nothing"
    )


def _transfer(options: argparse.Namespace) -> int:
    from crossbench import transfer
    from crossbench.cli.progress import PretrainBar, PretrainLines, ProgressBar
    from crossbench.cli.views import not_applicable_view, stages_view, warnings_view
    from crossbench.environment.arithmetic import find_device
    from crossbench.results.records.store import Store

    prepare_executor(options)
    device, store = find_device(options.device), Store(options.out)
    with aside():
        plan = transfer.prepare(_request(options), store, device)
    say([f"not loaded: {why}" for why in plan.scratch[0].request.left_out])
    with aside():
        stages = transfer.estimate_transfer(plan, store, device)
    print(stages_view(stages, jobs=jobs_of(options)), flush=True)
    said = [not_applicable_view(each) + warnings_view(each) for each in plan.scratch]
    say(list(dict.fromkeys(line for lines in said for line in lines)))
    if options.dry_run:
        return EXIT_OK
    with executor_of(options, store, device) as executor, aside():
        written, left = transfer.run(
            plan,
            store,
            device,
            watch_pretraining=PretrainBar if executor is None else PretrainLines,
            watch_plans=ProgressBar,
            executor=executor,
        )
    failed = sum(record.status == "failed" for record in written)
    _print_tables(options.out, plan)
    say([left_failed(left)] if left else [])
    figures = f" --figures {options.out / 'figures'}" if plan.request.curve else ""
    say([f"report: crossbench report {options.out}{figures}"])
    return EXIT_FAILED if failed or left else EXIT_OK


def _request(options: argparse.Namespace) -> TransferRequest:
    from crossbench.specs.requests import ALL, split_names
    from crossbench.transfer import COMPARED, TransferRequest

    protocols = split_names(options.protocols)
    return TransferRequest(
        source=options.source,
        run=run_request(options),
        protocols=COMPARED if protocols == [ALL] else tuple(protocols),
        pretrain_settings=tuple(options.pretrain_settings),
        inits=tuple(split_names(options.inits)) if options.inits else (),
        curve=tuple(part.strip() for part in options.curve.split(",")) if options.curve else (),
        out=str(options.out),
    )


def _print_tables(out: Path, plan: TransferPlan) -> None:
    """What this transfer's pretraining was worth, or the curve that was asked for."""
    from crossbench.results.boards.boards import split_boards
    from crossbench.results.boards.contents import contents_of
    from crossbench.results.boards.curves import curve_table, learning_curves
    from crossbench.results.boards.transfer_tables import transfer_tables
    from crossbench.results.records.loading import load_results
    from crossbench.results.report.render import render

    tasks = {task.card.name for each in plan.scratch for task in each.tasks}
    frame = load_results(out)
    asked = frame["task"].isin(tasks) & (frame["preset"] == plan.request.run.preset)
    boards = split_boards(frame[asked], contents=contents_of(frame))
    if plan.request.curve:
        tables = [curve_table(each) for each in learning_curves(boards)]
    else:
        tables = transfer_tables(boards)
    print(render(tables, "table"))
