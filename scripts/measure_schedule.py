"""The simulated makespan of a sweep beside the measured one, with 1 and with 2 processes.

Every turn makes a grid of runs in an empty folder, times each group of runs as the sweep has it
done, and simulates the schedule from these times. What the start of the command takes is apart.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from crossbench.execution.isolation import call
from crossbench.execution.local import execute, prepare
from crossbench.execution.processes import Processes
from crossbench.execution.simulation import simulate
from crossbench.results.records.store import Store
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from crossbench.execution.sweep import Item
    from crossbench.runs.execute import Listener
    from crossbench.specs import RunRecord

_CPU = torch.device("cpu")


class _Timed(Processes):
    """The executor with a clock: when each group began, and what it took."""

    def __init__(self, store: Store, *, jobs: int) -> None:
        super().__init__(store, _CPU, jobs=jobs)
        self.took: list[tuple[float, float]] = []

    def do(
        self,
        group: Sequence[Item],
        listener: Listener,
        done: Callable[[RunRecord], object],
    ) -> None:
        begun = perf_counter()
        super().do(group, listener, done)
        self.took.append((begun, perf_counter() - begun))


def main(words: list[str] | None = None) -> int:
    """Print measured and simulated makespans of every turn, and the median error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--methods", default="acs,conv3d")
    parser.add_argument("--samples", type=int, default=120)
    options = parser.parse_args(words)
    request = RunRequest(
        methods=tuple(options.methods.split(",")),
        tasks=("nodule-malignancy-3d",),
        protocol="finetune",
        seeds=(43,),
        folds=tuple(range(options.folds)),
        settings=("fit.epochs=2", f"input.max_samples={options.samples}"),
    )
    call("math:gcd", {})  # the server starts
    for jobs in (1, 2):
        errors = []
        for turn in range(options.turns):
            measured, simulated = _makespans(request, jobs)
            errors.append(abs(simulated / measured - 1))
            shown = f"{measured:.1f} s, simulated {simulated:.1f}"
            print(f"{jobs} at a time, turn {turn + 1}: {shown}", flush=True)
        middle = statistics.median(errors)
        print(f"{jobs} at a time: error of the makespan {middle:.1%} (median)", flush=True)
    return 0


def _makespans(request: RunRequest, jobs: int) -> tuple[float, float]:
    """Seconds that a grid took, and that the simulation says."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        plan = prepare(request, store)
        executor = _Timed(store, jobs=jobs)
        begun = perf_counter()
        records = execute(plan, store, device=_CPU, executor=executor)
        measured = perf_counter() - begun
    failed = [record for record in records if record.status != "ok"]
    if failed:
        raise SystemExit(f"{failed[0].key} failed: {failed[0].error}")
    return measured, simulate([took for _, took in sorted(executor.took)], jobs).makespan


if __name__ == "__main__":
    raise SystemExit(main())
