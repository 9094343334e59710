"""Progress and rate of downloads: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from crossbench.data.acquire.listening import amount

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID

_EVERY = 60.0  # seconds between lines, where there is no terminal


class RateBar:
    """A listener of fetches, while its context lasts."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._what, self._done = "", 0
        self._total: int | None = None
        self._begun = self._said = monotonic()
        self._start = 0

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

    def begun(self, what: str, done: int, total: int | None) -> None:
        """Begin a file."""
        if self._task is not None:
            self._bar.remove_task(self._task)
        self._task = self._bar.add_task(what, total=total, completed=done)
        self._what, self._done, self._start, self._total = what, done, done, total
        self._begun = self._said = monotonic()
        if not self._console.is_terminal:
            there = f", {amount(done)} there" if done else ""
            self.said(f"fetching {what}: {amount(total)}{there}")

    def advanced(self, count: int) -> None:
        """Move the bar, or say now and then how far it is."""
        self._done += count
        if self._task is not None:
            self._bar.advance(self._task, count)
        now = monotonic()
        if not self._console.is_terminal and now - self._said >= _EVERY:
            self._said = now
            rate = (self._done - self._start) / (now - self._begun) / 1e6
            self.said(
                f"{self._what}: {amount(self._done)} of {amount(self._total)}, {rate:.1f} MB/s"
            )

    def said(self, words: str) -> None:
        """Print a line above the bar."""
        self._console.print(words, markup=False, soft_wrap=True)
