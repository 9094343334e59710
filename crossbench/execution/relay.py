"""What is told of a group of runs, passed on to the sweep that asked for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.execution.group import News, RunGroup
from crossbench.registry.method_origin import method_origin
from crossbench.specs import RunRecord
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from crossbench.execution.logs import RunLog
    from crossbench.execution.sweep import Item
    from crossbench.runs.execute import Listener


class Relay:
    """Passes on what the process that does a group tells, and what it prints.

    Args:
        group: The runs.
        listener: Told that they begin and advance.
        done: Called with the record of each.
        log: Where what is printed goes; that of a run that succeeds goes with it.
    """

    def __init__(
        self,
        group: Sequence[Item],
        listener: Listener,
        done: Callable[[RunRecord], object],
        log: RunLog,
    ) -> None:
        self._runs = {run.identity: run for _, _, run in group}
        self._listener, self._done, self._log = listener, done, log
        log.begin(group[0][2].identity)

    def hear(self, told: dict[str, Any]) -> None:
        """Pass on :class:`News`, as JSON."""
        news = from_mapping(News, told, where="what a process tells")
        run = self._runs[news.run]
        if news.samples is not None:
            self._listener.advanced(run, news.samples)
        elif news.record is None:
            self._log.begin(run.identity)
            self._listener.started(run)
        else:
            record = from_mapping(RunRecord, news.record, where="the record of a process")
            self._log.end(kept=record.status == "failed")
            self._done(record)

    def note(self, printed: bytes) -> None:
        """Keep what was printed."""
        self._log.note(printed)


def describe_group(group: Sequence[Item], *, out: str, device: torch.device) -> RunGroup:
    """Runs as data.

    Args:
        group: Runs of one method on one task.
        out: Results folder.
        device: Where networks run.
    """
    plan, task, first = group[0]
    return RunGroup(
        request=plan.request.asked,
        task=task.card.name,
        method=first.key.method,
        seeds=tuple(sorted({run.key.seed for _, _, run in group})),
        folds=tuple(sorted({run.key.fold for _, _, run in group})),
        runs={run.identity: run.noticed for _, _, run in group},
        origin=None if first.method is None else method_origin(first.method),
        out=out,
        device=str(device),
    )
