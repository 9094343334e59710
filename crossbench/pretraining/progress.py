"""A progress bar with throughput for people; silence for pipes."""

from __future__ import annotations

from pathlib import Path
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

from crossbench.training.world import World

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Task

    from crossbench.pretraining.request import PretrainRequest


class _SpeedColumn(ProgressColumn):
    """Images a second through all processes, validation included."""

    def __init__(self, processes: int) -> None:
        super().__init__()
        self._processes = processes

    def render(self, task: Task) -> Any:
        return f"{(task.speed or 0) * self._processes:.0f} images/s"


class PretrainBar:
    """A listener that shows one bar on standard error, in the first of several processes.

    Where standard error is no terminal, it is silent.
    """

    def __init__(self, request: PretrainRequest, world: World | None = None) -> None:
        world = world or World()
        console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            _SpeedColumn(world.size),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (world.leads and console.is_terminal),
        )
        self._samples = 0
        what = f"{request.form} on {Path(request.data).name}"
        self._bar_id = self._bar.add_task(
            f"{what}, seed {request.seed}, fold {request.fold}",
            total=None,
            epoch=0,
            epochs=request.settings.epochs,
        )

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
