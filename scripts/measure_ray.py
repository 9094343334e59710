"""What `--executor ray` costs beside `--jobs 2`: the same command both ways, in turn.

    python scripts/measure_ray.py --turns 3

Each command starts in an empty folder, on a cluster of this machine alone where it is Ray. Its time
is divided where the first run begins: what comes before (imports, the plan, the cluster's start) is
paid once a command, however long the grid.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from crossbench.execution import interpreter
from crossbench.execution.memory import memory_of_tree, process_tree
from crossbench.results.records.store import read_folders

if TYPE_CHECKING:
    from collections.abc import Sequence

_WAYS = {"--jobs 2": ("--jobs", "2"), "--executor ray": ("--executor", "ray")}
_MIB = 1 << 20


def main(words: Sequence[str] | None = None) -> int:
    """Print every command's times and memory, and the medians of the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seeds", nargs="+", default=["43", "44", "45", "46"])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=400)
    options = parser.parse_args(words)
    arguments = (
        *("run", "--task", "nodule-malignancy-3d", "--method", "acs,conv3d"),
        *("--protocol", "finetune", "--seeds", *options.seeds),
        *("--set", f"fit.epochs={options.epochs}"),
        *("--set", f"input.max_samples={options.samples}"),
    )
    turns: list[dict[str, _Cost]] = []
    for turn in range(options.turns):
        names = list(_WAYS) if turn % 2 == 0 else list(reversed(_WAYS))
        turns.append({name: _timed(arguments, _WAYS[name]) for name in names})
        for name in _WAYS:
            print(f"turn {turn + 1}, {name}: {turns[-1][name]}", flush=True)
    for part in ("runs", "whole"):
        here, there = ([getattr(turn[name], part) for turn in turns] for name in _WAYS)
        ratio = statistics.median(b / a for a, b in zip(here, there, strict=True))
        print(f"Ray to --jobs 2, {part}: {ratio:.3f} (median)", flush=True)
    return 0


class _Cost(NamedTuple):
    """Seconds and bytes of a command."""

    start: float  # before the first run
    runs: float  # from then on
    own: float  # sum of the runs' own times
    memory: int  # at most, shared pages counted once
    processes: int  # at most

    @property
    def whole(self) -> float:
        return self.start + self.runs

    def __str__(self) -> str:
        held = f"{self.memory / _MIB:.0f} MiB at most in {self.processes} processes"
        return f"{self.start:.1f} s + {self.runs:.1f} s (runs' own {self.own:.1f} s), {held}"


def _timed(arguments: Sequence[str], way: Sequence[str]) -> _Cost:
    """Do a command in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        out, log = Path(folder, "out"), Path(folder, "log")
        begun, clock = time.monotonic(), time.time()
        memory = processes = 0
        with log.open("w", encoding="utf-8") as said:
            child = interpreter.start(
                *("-m", "crossbench", *arguments, *way, "--out", str(out)),
                more={"OMP_NUM_THREADS": "1"},
                stdout=said,
                stderr=said,
            )
            while child.poll() is None:
                memory = max(memory, memory_of_tree(child.pid, above=0))
                processes = max(processes, len(process_tree(child.pid)))
                time.sleep(2)
        whole = time.monotonic() - begun
        if child.returncode:
            raise SystemExit(log.read_text("utf-8"))
        found, broken = read_folders([out])
        if broken or any(run.record.status != "ok" for run in found):
            raise SystemExit(f"runs failed: {log.read_text('utf-8')}")
        spans = [(run.path.stat().st_mtime - clock, run.record.timings["total"]) for run in found]
    start = min(end - took for end, took in spans)
    return _Cost(start, whole - start, sum(took for _, took in spans), memory, processes)


if __name__ == "__main__":
    raise SystemExit(main())
