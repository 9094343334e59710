"""Whether a method can do a task at all, found out on no data before anything runs.

A network is built and fed as a run would do it, on torch's meta device, which computes shapes and
nothing else. What fails there is tried again in earnest, on the CPU, before it counts.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from crossbench.data.inputs import find_kind, kind_of
from crossbench.environment.state import unchanged
from crossbench.errors import ConversionError, CrossbenchError, StateError
from crossbench.errors.foreign import ChildDiedError, describe
from crossbench.files.hashing import hash_json
from crossbench.methods import KINDS, input_kinds
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import read_checkpoint
from crossbench.nets.weights.init import lacks_weights
from crossbench.protocols.interface import Finding, Rehearsal
from crossbench.runs.plan import NotApplicable
from crossbench.specs import RANDOM
from crossbench.training.loader import smallest_batch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from torch import nn

    from crossbench.methods import Method
    from crossbench.nets.weights.checkpoint import Checkpoint
    from crossbench.protocols.interface import Protocol
    from crossbench.runs.plan import PlannedRun
    from crossbench.runs.request import Resolved
    from crossbench.specs import Preset, TaskCard


@dataclass(frozen=True, kw_only=True)
class Trial:
    """All that decides whether a run can be.

    Attributes:
        method: The method.
        kind: Input kind of the task.
        shape: Spatial shape of an input.
        facts: What the input kind says of an input.
        num_classes: Classes of the task.
        init: ``random``, or the path of a checkpoint file.
        backbone: timm name of the 2D network.
        drop_keys: As for :func:`crossbench.build_model`.
        protocol: How the network is fitted.
        lora: What low-rank updates are.
        batch: Samples of the smallest batch that it is trained on.
        keeps: Whether it is to be kept when it is fitted.
    """

    method: Method
    kind: str
    shape: tuple[int, ...]
    facts: dict[str, Any]
    num_classes: int
    init: str | Path
    backbone: str
    drop_keys: tuple[str, ...]
    protocol: Protocol
    preset: Preset
    batch: int
    keeps: bool


Apart: TypeAlias = Callable[[Callable[[], dict[str, Any]]], dict[str, Any]]


def examine(trial: Trial, apart: Apart | None = None) -> Finding:
    """Build a run's network and feed it.

    What a method's code does wrong, rather than refuses, is left to the run, whose record keeps
    it: it is a warning here.

    Args:
        trial: What decides whether the run can be.
        apart: Does work in a process of its own and returns its answer as JSON has it; None does
            it in this one.
    """
    if apart is None:
        with torch.random.fork_rng(devices=[]):
            return _examine(trial)
    try:
        found = apart(lambda: _alone(trial))
    except ChildDiedError as error:
        return Finding(warnings=(f"{trial.method.name} will hardly run: {error}",))
    return Finding(**found | {"warnings": tuple(found["warnings"])})


def _alone(trial: Trial) -> dict[str, Any]:
    torch.set_num_threads(1)
    # A pool of threads is not there after a fork: a method that asks for one would wait for good.
    torch.set_num_threads = lambda _: None  # type: ignore[assignment]
    return dataclasses.asdict(_examine(trial))


def _examine(trial: Trial) -> Finding:
    try:
        init = RANDOM if trial.init == RANDOM else read_checkpoint(trial.init)
        try:
            with torch.device("meta"), unchanged():
                return _try(trial, init)
        except (Exception, SystemExit):  # noqa: BLE001 - what fails without numbers may do with them
            with unchanged():
                return _try(trial, init)
    except StateError as error:
        return Finding(warnings=(f"{trial.method.name} will hardly run: {error}",))
    except CrossbenchError as error:
        return Finding(obstacle=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the run's record will keep it
        fault = f"{trial.method.name} will hardly run: {describe(error)}"
        return Finding(warnings=(fault,))


def _try(trial: Trial, init: str | Checkpoint) -> Finding:
    network = build_model(
        trial.method,
        dims=len(trial.shape),
        kind=trial.kind,
        shape=trial.shape,
        facts=trial.facts,
        num_classes=trial.num_classes,
        init=init,
        backbone=trial.backbone,
        drop_keys=trial.drop_keys,
        **trial.preset.network.options,
    )
    rehearsal = Rehearsal(
        method=trial.method.name,
        init=trial.init,
        preset=trial.preset,
        batch=trial.batch,
        feed=lambda network, batch: _feed(network, trial, batch=batch),
        keeps=trial.keeps,
    )
    return trial.protocol.rehearse(network, rehearsal)


def _feed(network: nn.Module, trial: Trial, *, batch: int) -> None:
    """Run the network on inputs of the task's size.

    Raises:
        ConversionError: If it cannot take them.
    """
    channels = find_kind(trial.kind).channels_fed
    inputs = next(network.parameters()).new_zeros(batch, channels, *trial.shape)
    size = "x".join(map(str, trial.shape))
    try:
        network(inputs)
    except (RuntimeError, ValueError, NotImplementedError) as error:
        if batch == 1 and network.training and "more than 1 value per channel" in str(error):
            msg = (
                f"{trial.backbone} comes to one value a channel of a {size} input, which BatchNorm "
                "cannot normalise in a batch of one sample; train in batches of 2 and more "
                "(--set fit.batch_size=...), on 2 samples and more"
            )
            raise ConversionError(msg) from error
        msg = (
            f"a batch of {size} inputs fails in {trial.backbone} ({error}); larger samples or "
            "another --backbone may do"
        )
        raise ConversionError(msg) from error


# --------------------------------------------------------------------------- the runs of a plan


class Trials:
    """Finds out which runs cannot be, each kind of network being built once.

    Attributes:
        findings: Of what can be, by method and task.
    """

    def __init__(self, request: Resolved, apart: Apart | None = None) -> None:
        self.findings: dict[tuple[str, str], Finding] = {}
        self._request = request
        self._apart = apart
        self._examined: dict[tuple[object, ...], list[tuple[tuple[int, ...], Finding]]] = {}
        self._reasons: dict[tuple[str, str], list[str]] = defaultdict(list)

    def unsuited(self, method: Method, card: TaskCard) -> bool:
        """Whether a method cannot do a task, as far as is known without its data."""
        asked = self._request.asked
        if card.kind not in input_kinds(method):
            reason = _other_inputs(method, card)
        else:
            lacking = lacks_weights(asked.init, method, asked.backbone)
            reason = lacking or _unkept(self._request, card)
        if reason:
            self._reasons[method.name, card.name].append(reason)
        return bool(reason)

    def refused(self, card: TaskCard) -> bool:
        """Whether any method was refused for a task."""
        return any(task == card.name for _, task in self._reasons)

    def passed(
        self, runs: Iterable[PlannedRun], card: TaskCard, shape: tuple[int, ...]
    ) -> Iterator[PlannedRun]:
        """Those of a task's runs that are done, or can be.

        Args:
            runs: The runs.
            card: The task.
            shape: Spatial shape of what its networks are fed.
        """
        for run in runs:
            if run.done or run.key.plain:
                yield run
                continue
            finding = self._examine(run, card, shape)
            place = run.key.method, run.key.task
            if finding.obstacle:
                self._reasons[place].append(finding.obstacle)
            else:
                self.findings[place] = finding
                yield dataclasses.replace(run, noticed=finding.warnings)

    def not_applicable(self) -> tuple[NotApplicable, ...]:
        """What was refused, a row a method and task."""
        rows = []
        for (method, task), reasons in self._reasons.items():
            some = f" ({len(reasons)} of its runs)" if (method, task) in self.findings else ""
            rows.append(NotApplicable(method=method, task=task, reason=f"{reasons[0]}{some}"))
        return tuple(rows)

    def _examine(self, run: PlannedRun, card: TaskCard, shape: tuple[int, ...]) -> Finding:
        """What a run's network comes to; one that takes small inputs takes large ones too."""
        preset, init = self._request.preset, run.init
        if init is None or run.method is None or run.settings is None:
            raise ValueError(f"{run.key} is a plain baseline and has no network")
        batch = min(2, smallest_batch(len(run.split.train), preset.fit.batch_size))
        facts = kind_of(card).facts(shape)
        weights = init.source, tuple(init.hashes.values())
        network = (run.key.method, card.kind, hash_json(facts), *weights, batch)
        known = self._examined.setdefault(network, [])
        for tried, finding in known:
            smaller = all(one <= two for one, two in zip(tried, shape, strict=True))
            if tried == shape or (smaller and not finding.obstacle):
                return finding
        trial = Trial(
            method=run.method,
            kind=card.kind,
            shape=shape,
            facts=facts,
            num_classes=len(card.classes),
            init=init.source,
            backbone=run.key.backbone,
            drop_keys=tuple(run.settings["drop_keys"]),
            protocol=run.protocol,
            preset=preset,
            batch=batch,
            keeps=self._request.asked.save_weights,
        )
        known.append((shape, examine(trial, self._apart)))
        return known[-1][1]


def _unkept(request: Resolved, card: TaskCard) -> str:
    """Why no network that is fitted to a task can be kept, where such are asked for."""
    if not request.asked.save_weights or not kind_of(card).learns(request.preset.input):
        return ""
    msg = "what its inputs take from the training part is in no checkpoint"
    return f"{msg}; leave --save-weights out"


def _other_inputs(method: Method, card: TaskCard) -> str:
    """Why a method that is for other kinds of input is not for a task."""
    if card.kind in KINDS.values():
        return f"it has no {card.dimension}D form"
    return f"it takes {' and '.join(f'{kind}s' for kind in input_kinds(method))}, no {card.kind}s"
