"""Progress bars with an ETA for people; silence for pipes."""

from __future__ import annotations

import math
from pathlib import Path
from queue import SimpleQueue
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
from crossbench.runner import Silence
from crossbench.training.world import World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from rich.progress import Task

    from crossbench.plan import Plan, PlannedRun
    from crossbench.pretraining import PretrainRequest
    from crossbench.specs import RunRecord


class _Bar:
    """One bar on standard error, while its context lasts; nothing where that is no terminal.

    Args:
        *columns: What stands between the bar and the time.
        shown: Whether it is shown on a terminal.
        **fields: What :meth:`rich.progress.Progress.add_task` takes.
    """

    def __init__(self, *columns: ProgressColumn, shown: bool = True, **fields: Any) -> None:
        self.console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *columns,
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not (shown and self.console.is_terminal),
        )
        self._bar_id = self._bar.add_task(**fields)

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


class ProgressBar(_Bar):
    """A listener that weights each run by its work.

    A sample counts by its number of pixels or voxels, so that the ETA does not take an hour
    of volumes for a minute of images. Failures are printed on any standard error.

    Args:
        plans: What is run.
        elsewhere: Identities of the runs that other processes finish.
    """

    def __init__(self, plans: Sequence[Plan], elsewhere: SimpleQueue[str] | None = None) -> None:
        self._elsewhere: SimpleQueue[str] = elsewhere or SimpleQueue()
        self._pixels: dict[str, int] = {}
        self._left: dict[str, int] = {}
        for plan in plans:
            passes = count_passes(plan)
            for task in plan.tasks:
                pixels = math.prod(task.sample_shape[1:])
                for run in task.todo:
                    self._pixels[run.identity] = pixels
                    self._left[run.identity] = passes[run.identity].total * pixels
        super().__init__(
            _RunsColumn(),
            description="starting",
            total=sum(self._left.values()),
            runs_done=0,
            runs=len(self._left),
        )

    def started(self, run: PlannedRun) -> None:
        """Name the run that is going on."""
        self._bar.update(self._bar_id, description=str(run.key))

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Move the bar."""
        if run.identity in self._left:
            work = samples * self._pixels[run.identity]
            self._left[run.identity] -= work
            self._bar.advance(self._bar_id, work)
        while not self._elsewhere.empty():
            self._count(self._elsewhere.get())

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Count the run, and say so if it failed."""
        self._count(run.identity)
        if record.error is not None:
            what = f"failed: {run.key}: {record.error['class']}: {record.error['message']}"
            self.console.print(what, markup=False)

    def _count(self, identity: str) -> None:
        """Count a run once, with what is left of its work."""
        work = self._left.pop(identity, None)
        if work is not None:
            done = len(self._pixels) - len(self._left)
            self._bar.update(self._bar_id, advance=work, runs_done=done)


class Echo(Silence):
    """The listener of a helping process: says on standard output which runs are done."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:  # noqa: ARG002
        """Say its identity."""
        print(run.identity, flush=True)


class _RunsColumn(ProgressColumn):
    """Finished runs of all runs; the bar itself counts samples."""

    def render(self, task: Task) -> Any:
        return f"{task.fields['runs_done']}/{task.fields['runs']} runs"


class PretrainBar(_Bar):
    """A listener that shows images a second and epochs, in the first of several processes."""

    def __init__(self, request: PretrainRequest, world: World | None = None) -> None:
        world = world or World()
        self._samples = 0
        what = f"{request.form} on {Path(request.data).name}"
        super().__init__(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            _SpeedColumn(world.size),
            shown=world.leads,
            description=f"{what}, seed {request.seed}, fold {request.fold}",
            total=None,
            epoch=0,
            epochs=request.settings.epochs,
        )

    def started(self, request: PretrainRequest, samples: int) -> None:
        """Begin to count."""
        self._samples = samples
        self._bar.reset(self._bar_id, total=request.settings.epochs * samples)

    def advanced(self, samples: int) -> None:
        """Move the bar."""
        self._bar.advance(self._bar_id, samples)

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Count the epoch, which an earlier process may have done."""
        done = row["epoch"]
        self._bar.update(self._bar_id, completed=done * self._samples, epoch=done)


class _SpeedColumn(ProgressColumn):
    """Images a second through all processes, validation included."""

    def __init__(self, processes: int) -> None:
        super().__init__()
        self._processes = processes

    def render(self, task: Task) -> Any:
        return f"{(task.speed or 0) * self._processes:.0f} images/s"
