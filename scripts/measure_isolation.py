"""Time that a process of its own adds to a run: ``--isolate`` against this process, in turn.

Every turn makes the same runs twice, once in this process and once each in a process forked for
it, in an empty folder each time, and takes the difference a run. What starts once a command, the
server that processes are forked from among it, is apart.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import torch

from crossbench.execution.local import execute, prepare
from crossbench.execution.memory import process_tree
from crossbench.execution.processes import Processes
from crossbench.results.records.store import Store
from crossbench.specs.requests import RunRequest

_CPU = torch.device("cpu")


def main(words: list[str] | None = None) -> int:
    """Print the difference a run of every turn, and their median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--folds", type=int, default=3, help="runs a turn")
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--task", default="nodule-malignancy-3d")
    options = parser.parse_args(words)
    request = RunRequest(
        methods=("conv3d",),
        tasks=(options.task,),
        preset="standard",
        protocol="finetune",
        seeds=(43,),
        folds=tuple(range(options.folds)),
        settings=("fit.epochs=1", f"input.max_samples={options.samples}"),
    )
    _timed(request, isolated=True)  # the server starts
    _timed(request, isolated=False)
    added: list[_Seconds] = []
    for turn in range(options.turns):
        apart, here = _timed(request, isolated=True), _timed(request, isolated=False)
        added.append(_Seconds(apart.cpu - here.cpu, apart.wall - here.wall))
        print(f"turn {turn + 1}: {here} here, {apart} apart", flush=True)
    print(f"a process adds {_spread([each.cpu for each in added])} s of CPU to a run,")
    print(f"{_spread([each.wall for each in added])} s by the clock (medians, the middle half)")
    return 0


class _Seconds(NamedTuple):
    """Seconds a run, plain baselines among the runs."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.3f} s of CPU ({self.wall:.3f} s by the clock)"


def _timed(request: RunRequest, *, isolated: bool) -> _Seconds:
    """Make a request's runs in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        plan = prepare(request, store)
        executor = Processes(store, _CPU) if isolated else None
        cpu, begun = _cpu_seconds(), perf_counter()
        records = execute(plan, store, device=_CPU, executor=executor)
        cpu, wall = _cpu_seconds() - cpu, perf_counter() - begun
    failed = [record for record in records if record.status != "ok"]
    if failed:
        raise SystemExit(f"{failed[0].key} failed: {failed[0].error}")
    return _Seconds(cpu / len(records), wall / len(records))


def _cpu_seconds() -> float:
    """CPU that this process and its descendants have used, those that have ended included."""
    stats = [Path(f"/proc/{each}/stat").read_text("ascii") for each in process_tree(os.getpid())]
    ticks = sum(int(each) for stat in stats for each in stat.rpartition(")")[2].split()[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _spread(values: list[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
