"""The command line: arguments in, exit code out; everything heavy is imported when needed."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.cards import task_faults
from crossbench.errors import CrossbenchError
from crossbench.results.render import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.plan import Plan
    from crossbench.specs import RunRecord

EXIT_OK, EXIT_FAILED, EXIT_REQUEST, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Returns:
        0 when all is well, 1 when some run failed, 2 when the request was wrong, 130 when
        interrupted.
    """
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except CrossbenchError as error:
        print(f"crossbench: {error}", file=sys.stderr)
        return EXIT_REQUEST
    except KeyboardInterrupt:
        print("crossbench: interrupted; the same command goes on from here", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_OK
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="crossbench",
        description="A benchmark for convolutions that carry 2D knowledge into 3D medical images.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_list(commands)
    _add_report(commands)
    _add_merge(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        from importlib.metadata import version

        print(f"crossbench {version('crossbench')}")
        parser.exit()


# ------------------------------------------------------------------------------ run


def _add_run(commands: Any) -> None:
    run = commands.add_parser(
        "run",
        help="run methods over tasks",
        description="Run methods over tasks; what is already in the results folder is kept.",
    )
    run.set_defaults(command=_run)
    what = run.add_argument_group("what to run")
    what.add_argument("--method", default="all", metavar="A[,B]", help="methods, or all")
    what.add_argument("--task", default="all", metavar="X[,Y]", help="tasks, card files, or all")
    what.add_argument("--preset", default="standard", help="settings to run under (standard)")
    what.add_argument("--init", default="random", help="random, or a checkpoint file (random)")
    what.add_argument("--protocol", help="how networks are fitted (the preset's)")
    what.add_argument("--backbone", default="resnet18", help="timm network (resnet18)")
    what.add_argument("--seeds", type=int, nargs="+", help="repetitions (the preset's)")
    what.add_argument("--folds", type=int, nargs="+", help="folds of each repetition (all)")
    what.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="override a setting, such as fit.epochs=5; repeatable",
    )
    what.add_argument(
        "--plugin",
        dest="plugins",
        action="append",
        default=[],
        metavar="FILE.py",
        help="a file with a method of your own; its code is run; repeatable",
    )
    what.add_argument("--limit", type=int, metavar="N", help="at most N runs")
    where = run.add_argument_group("where")
    where.add_argument("--out", type=Path, default=Path("results"), help="results (results)")
    where.add_argument("--data-dir", help="downloaded data ($CROSSBENCH_DATA)")
    where.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (auto)")
    how = run.add_argument_group("how")
    how.add_argument(
        "--dry-run", action="store_true", help="show the plan and its cost; run nothing"
    )
    how.add_argument("--strict", action="store_true", help="missing data is an error under all too")
    how.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    how.add_argument("--json", action="store_true", help="print a JSON summary")


def _run(options: argparse.Namespace) -> int:
    from crossbench import api
    from crossbench.progress import ProgressBar
    from crossbench.results.store import Store
    from crossbench.runner import execute
    from crossbench.training.environment import find_device

    device = find_device(options.device)
    store = Store(options.out)
    plan = api.prepare(
        options.method,
        options.task,
        store=store,
        preset=options.preset,
        init=options.init,
        protocol=options.protocol,
        backbone=options.backbone,
        seeds=options.seeds,
        folds=options.folds,
        settings=options.settings,
        plugins=options.plugins,
        data_dir=options.data_dir,
        limit=options.limit,
        strict=options.strict,
    )
    if options.dry_run:
        return _dry_run(plan, device, as_json=options.json)
    _say(_left_out(plan))
    with ProgressBar(plan) as progress:
        written = execute(
            plan, store, device=device, listener=progress, fail_fast=options.fail_fast
        )
    _say(_left_out(plan))
    failed = [record for record in written if record.status == "failed"]
    if options.json:
        _print_json(_summary(plan, written))
    else:
        _say([_outcome(plan, written), f"report: crossbench report {options.out}"])
    return EXIT_FAILED if failed or plan.broken else EXIT_OK


def _dry_run(plan: Plan, device: Any, *, as_json: bool) -> int:
    from crossbench.estimate import estimate
    from crossbench.views import plan_view

    cost = estimate(plan, device)
    if as_json:
        _print_json(_summary(plan, []) | {"seconds": cost.seconds, "disk": cost.disk})
    else:
        print(plan_view(plan, cost))
    return EXIT_OK


def _left_out(plan: Plan) -> list[str]:
    """Tasks that cannot run, with the reason and the remedy."""
    lines = [f"not loaded: {why}" for why in task_faults()]
    lines += [f"no data: {why}" for why in plan.missing.values()]
    lines += [f"damaged: {name}: {why}" for name, why in plan.broken.items()]
    return lines


def _outcome(plan: Plan, written: list[RunRecord]) -> str:
    failed = sum(record.status == "failed" for record in written)
    kept = len(plan.runs) - len(plan.todo)
    words = f"{len(written) - failed} runs done, {failed} failed, {kept} already there"
    return words + (f", {len(plan.missing)} tasks without data" if plan.missing else "")


def _summary(plan: Plan, written: list[RunRecord]) -> dict[str, Any]:
    from crossbench.cards import to_mapping

    return {
        "runs": len(plan.runs),
        "done_before": len(plan.runs) - len(plan.todo),
        "ok": sum(record.status == "ok" for record in written),
        "failed": [
            to_mapping(record.key) | {"error": record.error}
            for record in written
            if record.status == "failed"
        ],
        "missing": plan.missing,
        "broken": plan.broken,
        "not_applicable": plan.not_applicable,
    }


# ----------------------------------------------------------------------------- list


def _add_list(commands: Any) -> None:
    listing = commands.add_parser("list", help="list tasks, methods, protocols or presets")
    listing.set_defaults(command=_list)
    listing.add_argument("what", choices=("tasks", "methods", "protocols", "presets"))
    listing.add_argument("--json", action="store_true", help="print JSON")


def _list(options: argparse.Namespace) -> int:
    from crossbench import views

    rows = views.listing(options.what)
    if options.json:
        _print_json(rows)
    else:
        print(views.table(rows))
    if options.what == "tasks":
        _say([f"not loaded: {why}" for why in task_faults()])
    return EXIT_OK


# --------------------------------------------------------------------------- report


def _add_report(commands: Any) -> None:
    report = commands.add_parser("report", help="print the results of one or more folders")
    report.set_defaults(command=_report)
    report.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    report.add_argument("--format", choices=FORMATS, default="table")
    report.add_argument("--task", help="every metric of one task instead of the boards")


def _report(options: argparse.Namespace) -> int:
    from crossbench.results.report import report

    colour = sys.stdout.isatty()
    print(report(options.folders, options.format, task=options.task, colour=colour))
    return EXIT_OK


def _add_merge(commands: Any) -> None:
    merge = commands.add_parser("merge", help="copy the records of several folders into one")
    merge.set_defaults(command=_merge)
    merge.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    merge.add_argument("--into", type=Path, required=True, metavar="DIR")


def _merge(options: argparse.Namespace) -> int:
    from crossbench.results.store import merge

    merged = merge(options.folders, options.into)
    _say([f"left out: {path}: {reason}" for path, reason in merged.broken])
    _say([f"{merged.copied} records copied into {options.into}"])
    return EXIT_FAILED if merged.broken else EXIT_OK


def _say(lines: Sequence[str]) -> None:
    """Words for people, on standard error, so that standard output stays clean."""
    for line in lines:
        print(line, file=sys.stderr)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, allow_nan=False))
