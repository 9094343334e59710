"""A progress bar with an ETA for people; silence for pipes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from crossbench.plan import count_passes

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Task

    from crossbench.plan import Plan, PlannedRun
    from crossbench.specs import RunRecord


class _RunsColumn(ProgressColumn):
    """Finished runs of all runs; the bar itself counts samples."""

    def render(self, task: Task) -> Any:
        return f"{task.fields['runs_done']}/{task.fields['runs']} runs"


class ProgressBar:
    """A listener that shows one bar on standard error, weighted by the work of each run.

    A sample counts by its number of pixels or voxels, so that the ETA does not take an hour
    of volumes for a minute of images. Where standard error is no terminal, only failures
    are printed.
    """

    def __init__(self, plan: Plan) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._pixels = {task.card.name: math.prod(task.sample_shape[1:]) for task in plan.tasks}
        passes, runs = count_passes(plan), len(plan.todo)
        total = sum(passes[run.identity].total * self._pixels[run.key.task] for run in plan.todo)
        self._done = 0
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            _RunsColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._bar_id = self._bar.add_task("starting", total=total, runs_done=0, runs=runs)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def started(self, run: PlannedRun) -> None:
        """Name the run that is going on."""
        self._bar.update(self._bar_id, description=str(run.key))

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Move the bar."""
        self._bar.advance(self._bar_id, samples * self._pixels[run.key.task])

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Count the run, and say so if it failed."""
        self._done += 1
        self._bar.update(self._bar_id, runs_done=self._done)
        if record.error is not None:
            what = f"failed: {run.key}: {record.error['class']}: {record.error['message']}"
            self.console.print(what, markup=False)
