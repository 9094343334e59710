"""The whole grid on a cluster of up to a thousand GPUs, simulated: time, idle share and cost.

    python scripts/simulate_grid.py --price 2.5

Every task that is no control and needs a download is planned on its phantom; a run counts as many
times as long as the task has more samples than its phantom. Seconds are those of this machine's
device, so a GPU stands for one of it, unless --faster says how many times faster it is.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.cli.views import schedules_view
from crossbench.environment.arithmetic import find_device
from crossbench.execution.local import prepare
from crossbench.execution.simulation import Data, group_seconds, longest_first, simulate
from crossbench.registry.tasks import load_tasks
from crossbench.results.records.store import Store
from crossbench.runs.estimate import estimate
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.runs.plan import Plan, TaskPlan

_BANDWIDTH = 125e6  # bytes a second
_METHODS = "acs,conv2d,conv3d,crossd,factorised,slices-2d"


def main(words: Sequence[str] | None = None) -> int:
    """Plan, time and print a row for each number of GPUs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default=_METHODS)
    parser.add_argument("--tasks", help="tasks (those that are to be downloaded, no controls)")
    parser.add_argument("--preset", default="standard")
    parser.add_argument("--backbone", default="resnet18")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--gpus", default="1,2,4,8,16,32,64,128,256,512,1000")
    parser.add_argument("--per-node", type=int, default=8, help="GPUs of a machine (8)")
    parser.add_argument("--faster", type=float, default=1.0, help="than this machine's device (1)")
    parser.add_argument("--price", type=float, help="of a GPU an hour")
    options = parser.parse_args(words)
    asked = RunRequest.of(
        methods=options.methods,
        tasks=options.tasks or downloaded(),
        preset=options.preset,
        backbone=options.backbone,
        settings=["data=phantom"],
    )
    with tempfile.TemporaryDirectory() as folder:
        plan = prepare(asked, Store(Path(folder)))
        cost = estimate(plan, find_device(options.device))
    grown = {task.card.name: growth(task) for task in plan.tasks}
    groups = longest_first(
        [
            (each * grown[task] / options.faster, task)
            for each, task in group_seconds(plan, cost.by_run)
        ],
        lambda each: each[0],
    )
    sent = {task.card.name: sending(task) for task in plan.tasks}
    counts = [int(each) for each in options.gpus.split(",")]
    schedules = [
        simulate(
            [seconds for seconds, _ in groups],
            count,
            nodes=math.ceil(count / options.per_node),
            data=[sent[task] for _, task in groups],
        )
        for count in counts
    ]
    print(said(plan))
    print(schedules_view(schedules, options.price))
    return 0


def downloaded() -> list[str]:
    """The tasks that are no controls and do not ship with their data."""
    cards = load_tasks().values()
    return [card.name for card in cards if not (card.embedded or card.control)]


def said(plan: Plan) -> str:
    """What the grid has, in words."""
    networks = [run for run in plan.runs if run.method is not None]
    methods = {run.key.method for run in networks}
    return f"{len(plan.tasks)} tasks, {len(methods)} methods, {len(networks)} runs of networks"


def samples(task: TaskPlan) -> int:
    """How many samples a task has by its card; those of its phantom where that does not say."""
    split = task.runs[0].split
    there = len(split.train) + len(split.val) + len(split.test)
    return max(task.card.samples.values(), default=there)


def growth(task: TaskPlan) -> float:
    """How many times as many samples a task has as its phantom."""
    split = task.runs[0].split
    return samples(task) / (len(split.train) + len(split.val) + len(split.test))


def sending(task: TaskPlan) -> Data:
    """What sending a task's samples takes, at a byte a value and a gigabit a second."""
    size = samples(task) * math.prod(task.input_shape)
    return Data(task=task.card.name, seconds=size / _BANDWIDTH)


if __name__ == "__main__":
    raise SystemExit(main())
