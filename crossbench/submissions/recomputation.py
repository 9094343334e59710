"""Recomputation of recorded splits, labels and plain baselines from a task's card and data.

A forger who seals records anew can say of a test part what suits them; the data on this machine
says what it is. Embedded tasks have theirs everywhere.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from crossbench.environment.provenance import package_versions
from crossbench.errors import DataError, RequestError
from crossbench.evaluation.baselines import QUICK, predict
from crossbench.files.hashing import hash_json
from crossbench.files.paths import cache_dir, data_dir
from crossbench.registry.tasks import registered_task
from crossbench.results.records.identity import split_facts, table_of, task_facts
from crossbench.results.records.store import read_predictions
from crossbench.runs.samples import draw_splits, open_samples
from crossbench.submissions.settings import preset_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.results.records.store import FoundRun
    from crossbench.specs import Preset, RunRecord, TaskCard


_TOLERANCE = 1e-3  # of a probability: solvers differ from version to version


class Recomputed(NamedTuple):
    """Result of :func:`recompute`.

    Attributes:
        held: Number of records that were held against their task's data.
        findings: Records that contradict it, and how.
        notes: What kept others from being held against data, in words.
    """

    held: int
    findings: list[tuple[Path, str]]
    notes: list[str]


class _NotHereError(Exception):
    """Reason that a record cannot be held against data on this machine."""


def recompute(found: Sequence[FoundRun], data: str | Path | None = None) -> Recomputed:
    """Hold each record's facts against the card, the data and the splits drawn from them.

    Args:
        found: Records with their files.
        data: Where downloaded data lies; None asks ``$CROSSBENCH_DATA``.

    Raises:
        RequestError: If the data folder that is named does not exist.
    """
    source = _Source(data_dir(data))
    held, findings = 0, []
    reasons: dict[str, None] = {}  # each once, in order
    for path, record in found:
        try:
            faults = list(source.faults(path, record))
        except _NotHereError as error:
            reasons[str(error)] = None
        else:
            held += 1
            findings += [(path, fault) for fault in faults]
    return Recomputed(held, findings, list(reasons))


class _Source:
    """Data and splits on this machine, each opened and drawn once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[tuple[str, str], Dataset] = {}
        self._drawn: dict[str, dict[int, Split]] = {}

    def faults(self, path: Path, record: RunRecord) -> Iterator[str]:
        """Contradictions between a record and the data.

        Raises:
            _NotHereError: If it cannot be told here.
        """
        card = _card(record)
        try:
            preset = preset_of(record, every_fold=True)
        except RequestError as error:
            yield f"no run has its settings: {error}"
            return
        dataset = self._dataset(card, preset, record)
        if dataset is None:
            yield f"its data is not that of task {card.name!r}"
            return
        split = self._split(dataset, preset, record)
        yield from _contradictions(record, card, dataset)
        if split is None or record.provenance["facts"]["split"] != split_facts(
            preset, split, dataset.labels
        ):
            yield "its samples or labels are not those that its seed and fold give on this data"
        elif record.key.method in QUICK and record.status == "ok":
            yield from _plain(path, record, dataset, split)

    def _dataset(self, card: TaskCard, preset: Preset, record: RunRecord) -> Dataset | None:
        """The data that a record is of; None where a task that has one data file has other data."""
        if record.source == "phantom" and not card.embedded:
            raise _NotHereError(f"task {card.name!r}: runs on phantoms are not held against data")
        dataset = self._open(card, preset)
        if record.provenance["hashes"].get("data") == dataset.content_hash:
            return dataset
        if card.embedded:
            return None
        raise _NotHereError(f"task {card.name!r}: the records are of other data than is here")

    def _open(self, card: TaskCard, preset: Preset) -> Dataset:
        place = card.name, preset.data
        if place not in self._opened:
            try:
                self._opened[place] = open_samples(card, preset, self._folder, cache_dir())
            except DataError as error:
                msg = f"task {card.name!r}: its data is not on this machine"
                raise _NotHereError(msg) from error
        return self._opened[place]

    def _split(self, dataset: Dataset, preset: Preset, record: RunRecord) -> Split | None:
        """A record's split as it is drawn here; None where there is no such."""
        task, seed = record.key.task, record.key.seed
        drawn = preset.split.fingerprint() | {"seed": seed, "max": preset.input.max_samples}
        place = hash_json([task, record.source, drawn])
        if place not in self._drawn:
            with suppress(DataError):
                self._drawn[place] = {each.fold: each for each in draw_splits(preset, dataset)}
        return self._drawn.get(place, {}).get(record.key.fold)


def _contradictions(record: RunRecord, card: TaskCard, dataset: Dataset) -> Iterator[str]:
    if record.source != dataset.source:
        yield f"its data is {record.source!r}, and {dataset.source!r} here"
    if record.provenance["facts"]["task"] != task_facts(card):
        yield f"its facts of the task are not those of {card.name!r}, version {card.version}"
    if list(record.provenance.get("classes", card.classes)) != list(card.classes):
        yield f"its classes are not those of {card.name!r}"


def _plain(path: Path, record: RunRecord, dataset: Dataset, split: Split) -> Iterator[str]:
    """Whether a plain baseline's predictions are those that it makes here."""
    again = predict(
        record.key.method,
        dataset,
        features=lambda _: np.empty((0, 0)),
        train=np.concatenate([split.train, split.val]),
        test=split.test,
    )
    stored = read_predictions(path).probabilities
    if stored.shape != again.shape or not np.allclose(stored, np.exp(again), atol=_TOLERANCE):
        yield f"its predictions are not those of the plain baseline {record.key.method!r}"


def _card(record: RunRecord) -> TaskCard:
    """The registered card of a record's task, where this crossbench means the same by it."""
    here, there = package_versions()["crossbench"], record.provenance["hashes"].get("harness")
    if here != there:
        msg = f"runs of crossbench {there} are not held against data by crossbench {here}"
        raise _NotHereError(msg)
    card = registered_task(record.key.task)
    if card is None:
        raise _NotHereError(f"task {record.key.task!r} is none that is registered here")
    facts = record.provenance["facts"]["task"]
    for part, known in zip(card.parts, (facts, table_of(facts, "fitted_on")), strict=False):
        if (version := known.get("version")) != part.version:
            msg = f"task {part.name!r} is of version {part.version} here, and {version} in the"
            raise _NotHereError(f"{msg} records")
    return card
