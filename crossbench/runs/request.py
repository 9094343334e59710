"""A request with every name resolved."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from crossbench.environment.state import importing
from crossbench.errors import RequestError, unknown_name
from crossbench.evaluation.metrics import METRICS
from crossbench.files.paths import cache_dir, data_dir
from crossbench.protocols import find_protocol
from crossbench.registry.methods import choose_methods
from crossbench.registry.presets import choose_preset
from crossbench.registry.tasks import find_run_task, load_tasks, registered_task
from crossbench.specs.requests import ALL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossbench.methods import Method
    from crossbench.protocols.interface import Protocol
    from crossbench.specs import Preset, RunRecord, Statistics, TaskCard
    from crossbench.specs.requests import RunRequest


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """What the names of a request stand for.

    Attributes:
        asked: The request as it came: names and plain values.
        methods: The methods to run.
        left_out: What keeps registered methods out of ``all``, one message each.
        tasks: The tasks to run them on.
        preset: Settings, overrides applied.
        protocol: How networks are fitted.
        data_dir: Where downloaded data lies.
        cache_dir: Where phantoms and hashes are kept.
    """

    asked: RunRequest
    methods: tuple[Method, ...]
    tasks: tuple[TaskCard, ...]
    preset: Preset
    protocol: Protocol
    data_dir: Path
    cache_dir: Path
    left_out: tuple[str, ...] = ()

    @property
    def statistics(self) -> Statistics | None:
        """Whose channel statistics are asked for."""
        return cast("Statistics | None", self.asked.statistics)

    def is_answered_by(self, record: RunRecord) -> bool:
        """Whether a record is all that is asked for.

        A network's weights too, where they are kept. A failure is an answer, unless it is to be
        tried again.
        """
        if record.status == "failed":
            return not self.asked.retry_failed
        unkept = record.weights is None and not record.key.plain
        return not (self.asked.save_weights and unkept)


def resolve(request: RunRequest) -> Resolved:
    """Look up every name of a request.

    Raises:
        RequestError: If a name is unknown.
        DataError: If the data folder that is named does not exist.
    """
    preset = choose_preset(
        request.preset, request.settings, seeds=request.seeds, folds=request.folds
    )
    with importing(", ".join([*request.methods, *request.plugins])):
        chosen = choose_methods(request.methods, request.plugins)
    return Resolved(
        asked=request,
        methods=chosen.methods,
        left_out=chosen.left_out,
        tasks=_tasks(request.tasks, request.train_task),
        preset=preset,
        protocol=find_protocol(request.protocol or preset.protocol),
        data_dir=data_dir(request.data_dir),
        cache_dir=cache_dir(),
    )


def _tasks(names: Sequence[str], train_task: str | None) -> tuple[TaskCard, ...]:
    if list(names) == [ALL]:
        return tuple(card for card in load_tasks().values() if not card.control)
    cards = tuple(find_run_task(name, train_task) for name in names)
    for card in itertools.chain.from_iterable(card.parts for card in cards):
        if card.metric not in METRICS:
            raise RequestError(f"{card.path}: {unknown_name('metric', card.metric, METRICS)}")
        taken = registered_task(card.name)
        if taken is not None and card.path != taken.path:
            msg = f"{card.path}: name {card.name!r} is taken by a registered task; rename it"
            raise RequestError(msg)
    return cards
