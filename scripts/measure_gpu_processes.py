"""Runs an hour, and memory, by how many processes share a GPU (`--jobs N --device cuda`).

One run before the clock starts shows what memory a run of the kind holds, by which the others then
find their places on the GPU. Each process has its part of the cores.
"""

from __future__ import annotations

import os
import tempfile
import threading
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from crossbench.environment.provenance import available_cores
from crossbench.execution.local import execute, prepare
from crossbench.execution.memory import memory_of_tree
from crossbench.execution.processes import Processes
from crossbench.results.records.store import Store
from crossbench.specs.requests import RunRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

_LOOK = 0.2  # seconds between two looks at the memory


def processes(device: torch.device, *, tiny: bool) -> list[dict[str, Any]]:
    """A row for each number of processes."""
    return [_row(jobs, device, tiny=tiny) for jobs in ((1, 2) if tiny else (1, 2, 4, 8))]


def _row(jobs: int, device: torch.device, *, tiny: bool) -> dict[str, Any]:
    seeds, folds = ((2,), (0, 1)) if tiny else ((2, 3, 4, 5), (0, 1, 2, 3))
    first = _request(jobs, tiny=tiny, seeds=(1,), folds=(0,))
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        executor = Processes(store, device, jobs=jobs)
        _run(first, store, device, executor)
        with Highest(lambda: _held(device)) as memory:
            later = replace(first, seeds=seeds, folds=folds)
            seconds, count = _run(later, store, device, executor)
    return {
        "processes": jobs,
        "runs": count,
        "runs an hour": f"{3600 * count / seconds:,.0f}",
        "memory, GiB": f"{memory.bytes / 2**30:.2f}",
    }


def _request(jobs: int, *, tiny: bool, **which: tuple[int, ...]) -> RunRequest:
    few = ("fit.epochs=1", "input.max_samples=40") if tiny else ("fit.epochs=5",)
    return RunRequest(
        methods=("conv3d",),
        tasks=("nodule-malignancy-3d",),
        protocol="finetune",
        backbone="test_resnet" if tiny else "resnet18",
        settings=(*few, f"compute.threads={max(1, available_cores() // jobs)}"),
        **which,
    )


def _run(
    request: RunRequest, store: Store, device: torch.device, executor: Processes
) -> tuple[float, int]:
    """Seconds that the networks of a request took, and how many they are.

    Raises:
        SystemExit: If one failed.
    """
    plan = prepare(request, store).afresh()
    begun = perf_counter()
    records = execute(plan, store, device=device, executor=executor)
    seconds = perf_counter() - begun
    for record in records:
        if record.error is not None:
            raise SystemExit(f"{record.key} failed: {record.error['message']}")
    return seconds, len(records)


def _held(device: torch.device) -> int:
    """Bytes held on the GPU by whomever, or by this process and those that it has started."""
    if device.type != "cuda":
        return memory_of_tree(os.getpid(), above=0)
    free, whole = torch.cuda.mem_get_info(device)
    return whole - free


class Highest:
    """The highest of values that are looked at now and then in the block, above the first.

    Args:
        look: What is looked at.
    """

    def __init__(self, look: Callable[[], int]) -> None:
        self._look, self._over = look, threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def _watch(self) -> None:
        while not self._over.wait(_LOOK):
            self.bytes = max(self.bytes, self._look() - self._first)

    def __enter__(self) -> Self:
        self._first = self._look()
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watching.join()
