"""Plans: runs with everything that is decided of them before any of them begins."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossbench.data.inputs import kind_of
from crossbench.protocols.interface import Finding, Passes

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from crossbench.data.inputs import InputKind
    from crossbench.data.splits import Split
    from crossbench.methods import Method
    from crossbench.nets.weights.init import Init
    from crossbench.protocols.interface import Protocol
    from crossbench.runs.request import Resolved
    from crossbench.specs import DataSource, Preset, RunKey, TaskCard


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run to be, or one that is already done.

    Attributes:
        key: What it is.
        identity: SHA-256 over everything that changes the number.
        hashes: The parts of that identity, by name.
        facts: What some of these parts are the hashes of, by name.
        split: The samples it trains, selects and tests on, as dataset indices.
        protocol: How its network is fitted.
        done: Whether a valid record with this identity exists that is all that is asked for.
        method: Its method; None for a plain baseline.
        init: The weights it starts from; None for a plain baseline.
        settings: Every setting that bears on how it is fitted; None for a plain baseline.
        feature_key: What runs of one task have in common that share a frozen network's features;
            a run that shares none has one of its own.
        passes: What is still to go through its network; nothing where an earlier run of the plan
            extracts the features that it shares.
        failed: Whether that record says that the run failed, which is then left at that.
        earlier: When an earlier record of it was written, in nanoseconds; None if there is none.
        noticed: What building its network has shown that its record should say.
    """

    key: RunKey
    identity: str
    hashes: dict[str, str]
    split: Split
    protocol: Protocol
    feature_key: Hashable
    done: bool
    method: Method | None = None
    init: Init | None = None
    settings: dict[str, Any] | None = None
    passes: Passes = field(default_factory=Passes)
    failed: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    earlier: int | None = None
    noticed: tuple[str, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of its result should know."""
        of_init = self.init.warnings if self.init is not None else ()
        return (*self.split.warnings, *of_init, *self.noticed)


@dataclass(frozen=True, kw_only=True)
class TaskPlan:
    """The runs on one task, and what they read.

    Attributes:
        card: The task.
        source: Real, embedded or phantom data.
        sample_shape: (C, *spatial) of a sample as stored.
        shape: Spatial shape of what a network is fed.
        runs: The runs, in the order of execution.
        origin: How the data file was imported and grouped, for the records.
    """

    card: TaskCard
    source: DataSource
    sample_shape: tuple[int, ...]
    shape: tuple[int, ...]
    runs: tuple[PlannedRun, ...]
    origin: dict[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> InputKind:
        """What its samples are."""
        return kind_of(self.card)

    @property
    def facts(self) -> dict[str, Any]:
        """What the kind says of what a network is fed."""
        return self.kind.facts(self.shape)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, *spatial) of what a network is fed."""
        return (self.kind.channels_fed, *self.shape)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs without a valid record."""
        return tuple(run for run in self.runs if not run.done)

    @property
    def groups(self) -> list[list[PlannedRun]]:
        """The runs to do, those together that share a network's features."""
        found: dict[Hashable, list[PlannedRun]] = defaultdict(list)
        for run in self.todo:
            found[run.feature_key].append(run)
        return list(found.values())

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the results should know, and of how many splits where not of all."""
        splits = {(run.key.seed, run.key.fold): run.split.warnings for run in self.runs}
        counted = Counter(warning for warnings in splits.values() for warning in warnings)
        return tuple(
            warning if count == len(splits) else f"{warning} ({count} of {len(splits)} splits)"
            for warning, count in counted.items()
        )


@dataclass(frozen=True, kw_only=True)
class NotApplicable:
    """Runs of a method on a task that cannot be.

    Attributes:
        method: Name of the method.
        task: Name of the task.
        reason: Why, in words.
    """

    method: str
    task: str
    reason: str

    def __str__(self) -> str:
        return f"{self.method} on {self.task}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A request against the data and the results that are there.

    Attributes:
        request: What was asked for.
        tasks: Tasks with data, and their runs.
        missing: Remedy by task, where the data is not on this machine.
        broken: Complaint by task, where the data is damaged or cannot be split.
        not_applicable: What cannot be, and why.
        findings: What building the networks of the runs to do has shown, by method and task.
    """

    request: Resolved
    tasks: tuple[TaskPlan, ...]
    missing: dict[str, str]
    broken: dict[str, str]
    not_applicable: tuple[NotApplicable, ...]
    findings: dict[tuple[str, str], Finding] = field(default_factory=dict)

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """Every run, in the order of execution."""
        return tuple(run for task in self.tasks for run in task.runs)

    @property
    def todo(self) -> tuple[PlannedRun, ...]:
        """The runs without a valid record, in the order of execution."""
        return tuple(run for run in self.runs if not run.done)

    @property
    def left_failed(self) -> tuple[PlannedRun, ...]:
        """The runs that failed before and are not tried again."""
        return tuple(run for run in self.runs if run.failed)

    def afresh(self) -> Plan:
        """The plan's networks with none of them done."""
        tasks = tuple(
            dataclasses.replace(
                task,
                runs=with_passes(
                    (dataclasses.replace(run, done=run.method is None) for run in task.runs),
                    self.request.preset,
                ),
            )
            for task in self.tasks
        )
        return dataclasses.replace(self, tasks=tasks)


def with_passes(runs: Iterable[PlannedRun], preset: Preset) -> tuple[PlannedRun, ...]:
    """Runs with what is left to do; the first that is not done extracts shared features."""
    found, extracted = [], set()
    for run in runs:
        passes = Passes()
        if not run.done and run.feature_key not in extracted:
            passes = run.protocol.passes(run.split, preset)
            extracted.add(run.feature_key)
        found.append(dataclasses.replace(run, passes=passes))
    return tuple(found)
