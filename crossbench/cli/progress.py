"""Progress with an ETA: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import threading
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from crossbench.cli.output import say
from crossbench.cli.views import duration
from crossbench.data.acquire.listening import Listener
from crossbench.errors import CrossbenchError
from crossbench.files.sizes import amount

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Task

    from crossbench.pretraining import Pretraining
    from crossbench.pretraining.distributed import ProcessGroup
    from crossbench.runs.plan import Plan, PlannedRun
    from crossbench.specs import RunRecord


_EVERY = 180.0  # seconds between lines at most, where there is no terminal
_TELLING = 0.02  # the share of the work from which on the rest is estimated


class _Lines:
    """Plain lines on standard error: when something is done, and every few minutes anyway.

    Args:
        say: Prints a line.
        state: How far things are, in words.

    Attributes:
        doing: What is being done, in words.
    """

    def __init__(self, say: Callable[[str], None], state: Callable[[], str]) -> None:
        self._say, self._state = say, state
        self._said, self._over = threading.Event(), threading.Event()
        self.doing = "starting"
        self._begun = self._at_work = perf_counter()

    def begin(self) -> None:
        """Begin to say now and then how far things are."""
        threading.Thread(target=self._repeat, daemon=True).start()

    def end(self) -> None:
        """Say no more."""
        self._over.set()
        self._said.set()

    def counted_from_here(self) -> None:
        """Estimate the rest by the time from now on: what was done before is not of the work."""
        self._at_work = perf_counter()

    def line(self, what: str) -> None:
        """Say how far things are, and what."""
        self._said.set()
        self._say(f"{self._state()}: {what}")

    def times(self, share: float) -> str:
        """Time since the start and, where enough of the work is done to tell, until the end."""
        now = perf_counter()
        words = f"{duration(now - self._begun)} elapsed"
        if not _TELLING <= share <= 1:
            return words
        return f"{words}, about {duration((now - self._at_work) * (1 / share - 1))} left"

    def _repeat(self) -> None:
        while not self._over.is_set():
            if self._said.wait(_EVERY):
                self._said.clear()
            else:
                self._say(f"{self._state()}: {self.doing}")


class _Bar:
    """One bar on standard error, while its context lasts; lines where that is no terminal.

    Args:
        *columns: What stands between the bar and the time.
        shown: Whether anything is shown.
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
        plain = shown and not self.console.is_terminal
        self._lines = _Lines(self.say, self._state) if plain else None

    def say(self, words: str) -> None:
        """Print a line, which is not broken where the terminal ends."""
        self.console.print(words, markup=False, soft_wrap=True)

    def __enter__(self) -> Self:
        self._bar.start()
        if self._lines:
            self._lines.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        if self._lines:
            self._lines.end()

    def _state(self) -> str:
        """State of the work, in words."""
        raise NotImplementedError

    def _times(self) -> str:
        """Time since the start and until the end, in words."""
        task = self._bar.tasks[0]
        share = task.completed / task.total if task.total else 0.0
        return self._lines.times(share) if self._lines else ""


class ProgressBar(_Bar):
    """A listener that weights each run by its work.

    A sample counts by its number of pixels or voxels, so that the ETA does not take an hour
    of volumes for a minute of images. Plain baselines count for nothing, and the ETA takes their
    time for that of no network. Failures are printed on any standard error.

    Args:
        plans: What is run.
    """

    def __init__(self, plans: Sequence[Plan]) -> None:
        self._idle = True  # no network has been begun
        self._pixels: dict[str, int] = {}
        self._left: dict[str, int] = {}
        for plan in plans:
            for task in plan.tasks:
                pixels = math.prod(task.sample_shape[1:])
                for run in task.todo:
                    self._pixels[run.identity] = pixels
                    self._left[run.identity] = run.passes.total * pixels
        super().__init__(
            TextColumn("{task.fields[runs_done]}/{task.fields[runs]} runs"),
            description="starting",
            total=sum(self._left.values()),
            runs_done=0,
            runs=len(self._left),
        )

    def started(self, run: PlannedRun) -> None:
        """Name the run that is going on."""
        self._bar.update(self._bar_id, description=str(run.key))
        if self._lines:
            self._lines.doing = f"at work on {run.key}"
            if self._idle and run.passes.total:
                self._lines.counted_from_here()
        self._idle &= not run.passes.total

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Move the bar."""
        if run.identity in self._left:
            work = samples * self._pixels[run.identity]
            self._left[run.identity] -= work
            self._bar.advance(self._bar_id, work)

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Count the run, and say so if it failed."""
        self._count(run.identity)
        if record.error is not None:
            words = f"failed: {run.key}: {record.error['class']}: {record.error['message']}"
            log = record.error.get("log")
            self.say(f"{words}; what it printed is in {log}" if log else words)
        if self._lines:
            self._lines.line(f"{run.key}: {record.status}")

    def put_off(self, run: PlannedRun, why: str) -> None:
        """Say that a run will be tried once more."""
        self.say(f"put off: {run.key}: {why}; it is tried once more when nothing else goes on")

    def moved(self, run: PlannedRun, why: str) -> None:
        """Say that another machine does a run."""
        self.say(f"moved: {run.key}: {why}; another node does it")

    def _count(self, identity: str) -> None:
        """Count a run once, with what is left of its work."""
        work = self._left.pop(identity, None)
        if work is not None:
            done = len(self._pixels) - len(self._left)
            self._bar.update(self._bar_id, advance=work, runs_done=done)

    def _state(self) -> str:
        done = len(self._pixels) - len(self._left)
        return f"{done}/{len(self._pixels)} runs, {self._times()}"


class FetchBar(_Bar, Listener):
    """A listener that shows the bytes of one file after the other."""

    def __init__(self) -> None:
        super().__init__(
            DownloadColumn(), TransferSpeedColumn(), description="starting", total=None
        )

    def begun(self, what: str, done: int, total: int | None) -> None:
        """Begin a file."""
        self._bar.remove_task(self._bar_id)
        self._bar_id = self._bar.add_task(what, total=total, completed=done)
        if self._lines:
            self._lines.doing = "fetching"
            there = f", {amount(done)} there" if done else ""
            self.say(f"fetching {what}: {amount(total)}{there}")

    def advanced(self, count: int) -> None:
        """Move the bar."""
        self._bar.advance(self._bar_id, count)

    def said(self, words: str) -> None:
        """Print a line above the bar."""
        self.say(words)

    def _state(self) -> str:
        task = self._bar.tasks[0]
        size = f"{amount(task.completed)} of {amount(task.total)}"
        return f"{task.description}, {size}, {amount(task.speed or 0)}/s"


class PretrainBar(_Bar):
    """A listener that shows images a second and epochs, in the first of several processes."""

    def __init__(self, planned: Pretraining, group: ProcessGroup | None = None) -> None:
        self._samples = 0
        super().__init__(
            TextColumn("epoch {task.fields[epoch]}/{task.fields[epochs]}"),
            _SpeedColumn(group.size if group else 1),
            shown=group is None or group.is_main,
            description=_network_name(planned),
            total=None,
            epoch=0,
            epochs=planned.settings.epochs,
        )

    def started(self, planned: Pretraining, samples: int) -> None:
        """Begin to count."""
        self._samples = samples
        if self._lines:
            self._lines.doing = "at work"
        self._bar.reset(self._bar_id, total=planned.settings.epochs * samples)

    def advanced(self, samples: int) -> None:
        """Move the bar."""
        self._bar.advance(self._bar_id, samples)

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Count the epoch, which an earlier process may have done."""
        done = row["epoch"]
        self._bar.update(self._bar_id, completed=done * self._samples, epoch=done)
        if self._lines:
            self._lines.line(f"epoch {done} done")

    def _state(self) -> str:
        task = self._bar.tasks[0]
        what = f"{task.description}, {task.fields['epoch']}/{task.fields['epochs']} epochs"
        return f"{what}, {self._times()}"


class PretrainLines:
    """A listener that prints lines on one of several pretrainings, in the place of a bar."""

    def __init__(self, planned: Pretraining) -> None:
        self._planned = planned

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, CrossbenchError):
            self._say(f"failed: {error}")

    def started(self, planned: Pretraining, samples: int) -> None:  # noqa: ARG002
        """Say so."""
        self._say("begun")

    def advanced(self, samples: int) -> None:
        """Ignore."""

    def epoch_done(self, row: dict[str, Any]) -> None:
        """Say so."""
        self._say(f"epoch {row['epoch']} of {self._planned.settings.epochs} done")

    def _say(self, what: str) -> None:
        say([f"pretraining of {_network_name(self._planned)}: {what}"])


def _network_name(planned: Pretraining) -> str:
    """A network to pretrain, in words."""
    what = f"{planned.form} on {Path(planned.asked.data).name}"
    return f"{what}, seed {planned.seed}, fold {planned.fold}"


class _SpeedColumn(ProgressColumn):
    """Images a second through all processes, validation included."""

    def __init__(self, processes: int) -> None:
        super().__init__()
        self._processes = processes

    def render(self, task: Task) -> Any:
        return f"{(task.speed or 0) * self._processes:.0f} images/s"
