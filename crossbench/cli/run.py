"""``crossbench run``: methods over tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from crossbench.cli.arguments import (
    add_backbone,
    add_data_dir,
    add_device,
    add_out,
    add_plugins,
    add_repetitions,
    add_settings,
    data_root,
    run_request,
)
from crossbench.cli.data.fetch import add_means
from crossbench.cli.executors import RAY, add_executor, executor_of, prepare_executor
from crossbench.cli.jobs import add_isolation, add_jobs, jobs_of, left_failed
from crossbench.cli.output import EXIT_FAILED, EXIT_OK, aside, print_json, say, tracked
from crossbench.errors import RequestError
from crossbench.registry.tasks import task_faults
from crossbench.specs import Statistics
from crossbench.specs.requests import split_names

if TYPE_CHECKING:
    from argparse import Namespace

    from crossbench.execution.simulation import Schedule
    from crossbench.execution.sweep import Executor
    from crossbench.results.records.store import Store
    from crossbench.runs.estimate import Estimate
    from crossbench.runs.plan import Plan
    from crossbench.specs import RunRecord
    from crossbench.specs.requests import RunRequest


def add(commands: Any) -> None:
    """Add the command's parser."""
    run = commands.add_parser(
        "run",
        help="run methods over tasks",
        description="Run methods over tasks; what is already in the results folder is kept.",
    )
    run.set_defaults(command=_run, watched=True)
    what = run.add_argument_group("what to run")
    what.add_argument(
        "--method",
        dest="methods",
        default="all",
        metavar="A[,B]",
        help="methods, with hyperparameters as in NAME:temp=2:views=3, or all",
    )
    what.add_argument(
        "--task", dest="tasks", default="all", metavar="X[,Y]", help="tasks, card files, or all"
    )
    what.add_argument(
        "--train-task",
        metavar="A",
        help="task whose samples fit the networks that are tested on --task (the task itself)",
    )
    what.add_argument(
        "--track", metavar="NAME", help="a fixed grid to submit: tasks, preset, protocols and all"
    )
    what.add_argument("--preset", default="standard", help="settings to run under (standard)")
    what.add_argument(
        "--init",
        default="random",
        help="random, in1k, rin, hf:REPO/FILE@REV or a checkpoint file, {seed} and {fold} in its "
        "path being the run's own (random)",
    )
    what.add_argument(
        "--statistics",
        choices=get_args(Statistics),
        help="whose channel statistics normalise inputs (those the weights were made with)",
    )
    what.add_argument("--protocol", help="how networks are fitted (the preset's)")
    add_backbone(what)
    add_repetitions(what)
    add_settings(what)
    add_plugins(what)
    what.add_argument("--limit", type=int, metavar="N", help="at most N runs")
    where = run.add_argument_group("where")
    add_out(where)
    add_data_dir(where)
    where.add_argument(
        "--fetch", action="store_true", help="first fetch and import the data that is not there"
    )
    add_means(where)
    add_device(where)
    beside = run.add_argument_group("what is kept beside the records")
    beside.add_argument(
        "--save-weights",
        action="store_true",
        help="the fitted networks, for crossbench predict; runs that are already there without "
        "their weights are run again",
    )
    beside.add_argument(
        "--diagnostics",
        action="store_true",
        help="what a network's layers tell of themselves, for the dashboard; runs that are "
        "already there are not run again for it",
    )
    how = run.add_argument_group("how")
    how.add_argument(
        "--dry-run", action="store_true", help="show the plan and its cost; run nothing"
    )
    how.add_argument(
        "--simulate",
        default="",
        metavar="N[,M]",
        help="with --dry-run: how long N processes or GPUs would take, one a run at a time",
    )
    how.add_argument(
        "--nodes",
        default="",
        metavar="K[,L]",
        help="with --dry-run --executor ray: how long K machines would take, to which the data of "
        "each task is sent once",
    )
    how.add_argument(
        "--gpus", type=int, default=1, metavar="G", help="with --nodes: runs at a time on each (1)"
    )
    how.add_argument(
        "--price", type=float, metavar="P", help="with --simulate or --nodes: of each an hour"
    )
    add_jobs(how)
    add_isolation(how)
    add_executor(how)
    how.add_argument("--strict", action="store_true", help="missing data is an error under all too")
    how.add_argument("--fail-fast", action="store_true", help="stop at the first failed run")
    how.add_argument("--json", action="store_true", help="print a JSON summary")


def _run(options: Namespace) -> int:
    from crossbench.environment.arithmetic import find_device
    from crossbench.execution.local import prepare_all
    from crossbench.results.records.store import Store

    _check_simulation(options)
    prepare_executor(options)
    device, store, requests = find_device(options.device), Store(options.out), _requests(options)
    if options.fetch and not _fetch(options, next(iter(requests.values()))):
        return EXIT_OK
    with aside():
        plans = prepare_all(requests.values(), store)
    summaries, code = [], EXIT_OK
    with executor_of(options, store, device) as executor:
        for label, plan in zip(requests, plans, strict=True):
            say([label] if label else [])
            if options.dry_run:
                summary = _dry_run(plan, device, options)
            else:
                written = _carry_out(plan, store, device, options, executor)
                summary = _summary(plan, written)
                code = max(code, _code(plan, store, written))
            parts = {"protocol": plan.request.protocol.name, "init": plan.request.asked.init}
            summaries.append(parts | summary if label else summary)
    if options.json:
        print_json({"track": options.track, "requests": summaries} if options.track else summary)
    return code


def _requests(options: Namespace) -> dict[str, RunRequest]:
    """What is asked for: one request without a name, or those of a track by their labels."""
    from crossbench.registry.tracks import find_track, track_requests

    asked = run_request(options)
    if not options.track:
        return {"": asked}
    track = find_track(options.track)
    requests = track_requests(track, asked)
    return {
        f"{track.label}, {number} of {len(requests)}: {each.protocol}, {each.init}": each
        for number, each in enumerate(requests, start=1)
    }


def _carry_out(
    plan: Plan, store: Store, device: Any, options: Namespace, executor: Executor | None
) -> list[RunRecord]:
    """Make a plan's runs, in this process or by an executor."""
    from crossbench.cli.progress import ProgressBar
    from crossbench.cli.views import missing_view, not_applicable_view, warnings_view
    from crossbench.execution.local import execute

    say([*_left_out(plan), *missing_view(plan), *not_applicable_view(plan), *warnings_view(plan)])
    with ProgressBar([plan]) as progress, aside():
        written = execute(
            plan,
            store,
            device=device,
            listener=progress,
            fail_fast=options.fail_fast,
            executor=executor,
        )
    say([*_left_out(plan), *_found_out(plan, written)])
    if not options.json:
        say([_outcome(plan, written), f"report: crossbench report {options.out}"])
    return written


def _code(plan: Plan, store: Store, written: list[RunRecord]) -> int:
    failed = plan.left_failed or any(record.status == "failed" for record in written)
    unfinished = any(store.find(run.key, run.identity) is None for run in plan.todo)
    return EXIT_FAILED if failed or unfinished or plan.broken else EXIT_OK


def _fetch(options: Namespace, request: RunRequest) -> bool:
    """Fetch what is not there of the tasks that are asked for; what cannot be had stays open.

    A dry run says what would be fetched.

    Returns:
        Whether there is something to plan: not where data of a task that is named is still to come.
    """
    from crossbench.cli.data.fetch import chosen, fetch_tasks, left_to_fetch
    from crossbench.data.acquire.consents import accept
    from crossbench.specs.requests import ALL

    tasks = request.tasks if request.train_task is None else (*request.tasks, request.train_task)
    cards = [card for card in chosen(tasks) if card.origins]
    root = data_root(options)
    if options.dry_run:
        left = left_to_fetch(cards, root)
        say(left)
        return not left or ALL in tasks
    accept(root, options.accepted, cards)
    with aside():
        fetch_tasks(cards, root, options)
    return True


def _dry_run(plan: Plan, device: Any, options: Namespace) -> dict[str, Any]:
    """Show what a plan would do; its summary, with time and disk."""
    from crossbench.cli.views import plan_view, schedules_view
    from crossbench.runs.estimate import estimate
    from crossbench.specs.reader import to_mapping

    say(_not_loaded(plan))
    with aside():
        cost = estimate(plan, device, track=lambda networks: tracked(networks, "timing networks"))
    if not options.json:
        print(plan_view(plan, cost, jobs=jobs_of(options)))
    schedules = _schedules(plan, cost, options)
    if schedules and not options.json:
        print(schedules_view(schedules, options.price))
    summary = _summary(plan, []) | {"seconds": cost.seconds, "disk": cost.disk}
    return summary | ({"schedules": [to_mapping(each) for each in schedules]} if schedules else {})


def _schedules(plan: Plan, cost: Estimate, options: Namespace) -> list[Schedule]:
    """What the numbers of processes or machines that are asked for would come to."""
    from crossbench.execution.simulation import group_seconds, longest_first, simulate

    groups = longest_first(group_seconds(plan, cost.by_run), lambda each: each[0])
    seconds = [each for each, _ in groups]
    alone = [simulate(seconds, count) for count in _counts(options, "simulate")]
    nodes = _counts(options, "nodes")
    if not nodes:
        return alone
    from crossbench.execution.ray.parcels import data_to_send

    sent = {task.card.name: data_to_send(plan, task) for task in plan.tasks}
    data = [sent[task] for _, task in groups]
    return [
        *alone,
        *(simulate(seconds, each * options.gpus, nodes=each, data=data) for each in nodes),
    ]


def _check_simulation(options: Namespace) -> None:
    """Refuse what cannot be simulated before anything is timed.

    Raises:
        RequestError: If a number is none, or nothing is to be simulated.
    """
    counts = _counts(options, "simulate") + _counts(options, "nodes")
    if (counts or options.price is not None) and not (counts and options.dry_run):
        msg = "--simulate, --nodes and --price say what --dry-run shows; add what is missing"
        raise RequestError(msg)
    if options.nodes and options.executor != RAY:
        raise RequestError(f"--nodes (={options.nodes}) are of --executor ray; add that")
    if options.gpus < 1 or (options.gpus > 1 and not options.nodes):
        raise RequestError(f"--gpus (={options.gpus}) must be at least 1, of each of --nodes")


def _counts(options: Namespace, name: str) -> list[int]:
    """The numbers that an option names."""
    given = getattr(options, name)
    words = split_names(given) if given else []
    for word in words:
        if not word.isdecimal() or not int(word):
            of = "processes" if name == "simulate" else "machines"
            raise RequestError(f"--{name}: {word!r} is no number of {of}; name 1 or more")
    return [int(word) for word in words]


def _left_out(plan: Plan) -> list[str]:
    """Tasks and methods that cannot be loaded, tasks that are damaged, and why."""
    lines = _not_loaded(plan)
    lines += [f"damaged: {name}: {why}" for name, why in plan.broken.items()]
    return lines


def _not_loaded(plan: Plan) -> list[str]:
    return [f"not loaded: {why}" for why in (*task_faults(), *plan.request.left_out)]


def _found_out(plan: Plan, written: list[RunRecord]) -> list[str]:
    """What runs have shown that the plan did not know, once a method and task."""
    known = {why for run in plan.runs for why in run.warnings}
    found: dict[str, str] = {}
    for record in written:
        for why in record.warnings:
            if why not in known:
                found.setdefault(f"{record.key.method} on {record.key.task}", why)
    return [f"note: {where}: {why}" for where, why in found.items()]


def _outcome(plan: Plan, written: list[RunRecord]) -> str:
    failed = sum(record.status == "failed" for record in written)
    left = len(plan.left_failed)
    kept = len(plan.runs) - len(plan.todo) - left
    words = f"{len(written) - failed} runs done, {failed} failed, {kept} already there"
    words += f", {len(plan.missing)} tasks without data" if plan.missing else ""
    return words + (f", {left_failed(left)}" if left else "")


def _summary(plan: Plan, written: list[RunRecord]) -> dict[str, Any]:
    from crossbench.specs.reader import to_mapping

    return {
        "runs": len(plan.runs),
        "done_before": len(plan.runs) - len(plan.todo) - len(plan.left_failed),
        "left_failed": [to_mapping(run.key) for run in plan.left_failed],
        "ok": sum(record.status == "ok" for record in written),
        "failed": [
            to_mapping(record.key) | {"error": record.error}
            for record in written
            if record.status == "failed"
        ],
        "missing": plan.missing,
        "broken": plan.broken,
        "not_loaded": list(plan.request.left_out),
        "not_applicable": [to_mapping(each) for each in plan.not_applicable],
        "learns": [
            {"method": method, "task": task, "parameters": finding.learns}
            for (method, task), finding in plan.findings.items()
        ],
        "warnings": {task.card.name: list(task.warnings) for task in plan.tasks if task.warnings},
    }
