"""Validation of records against their predictions: metrics, samples, labels.

Reading a record checks what it tells of itself (:mod:`crossbench.results.records.checks`). What it
says its predictions amount to is computed again here, in a few milliseconds a record: by ``merge``,
by the dashboard's view Check, and by ``crossbench validate``, which looks for what no run leaves
behind too (:mod:`crossbench.results.records.plausibility`). Nothing can tell whether predictions
that fit their record were ever made by a network; for that, the run is made again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crossbench.errors import EvaluationError, RecordError, RequestError
from crossbench.evaluation.curves import area_under_roc
from crossbench.evaluation.metrics import METRICS
from crossbench.files.hashing import hash_array
from crossbench.results.records.benches import read_benches
from crossbench.results.records.conformances import find_reports
from crossbench.results.records.diagnostics import read_diagnostics
from crossbench.results.records.files import read_predictions
from crossbench.results.records.kinds import broken_file
from crossbench.results.records.plausibility import copies, implausible_times
from crossbench.results.records.pretrainings import check_network, read_pretrainings
from crossbench.results.records.reading import read_mapping
from crossbench.results.records.store import Broken, Found, Store, read_file, unite
from crossbench.specs import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import TypeAlias

    from crossbench.results.records.predictions import Predictions
    from crossbench.results.records.store import FoundRun
    from crossbench.specs import RunRecord

    Track: TypeAlias = Callable[[Sequence[Path]], Iterable[Path]]

# Sums of floats in another order, as another machine may add them.
_RELATIVE, _ABSOLUTE = 1e-9, 1e-12

# Metrics that sealed records of earlier days have not.
_ADDED = {"mcc"}


class Validated(NamedTuple):
    """Result of :func:`validate`.

    Attributes:
        records: Number of files that should be records, of whatever kind.
        unsealed: Number of runs whose record is of schema 1, which has no seal.
        findings: The files that do not hold, and why.
        found: The runs' records that are valid by themselves.
    """

    records: int
    unsealed: int
    findings: list[Broken]
    found: list[FoundRun]


def validate(folder: Path, track: Track = lambda paths: paths) -> Validated:
    """Hold every record below a folder against its predictions and against the others.

    Args:
        folder: A results folder, or part of one.
        track: Passes on the files that are read, and may show how far that is.

    Raises:
        RequestError: If the folder does not exist or holds no record.
    """
    benches, findings = read_benches([folder])
    networks, broken = read_pretrainings([folder])
    reports, unread = find_reports([folder])
    findings += [*broken, *unread]
    files = Store(folder).files()
    total = len([*files, *benches, *networks, *reports, *findings])
    if not total:
        msg = f"results folder {str(folder)!r} holds no records; `crossbench run` writes them"
        raise RequestError(msg)
    for path, record in networks:
        try:
            if path.with_name(record.checkpoint).exists():  # a record may go without its network
                check_network(path, record)
        except RecordError as error:
            findings.append(Broken(path, str(error)))
    valid, found = [], []
    for path in track(files):
        item = read_file(path)
        if isinstance(item, Found):
            valid.append(item)
            item = _against_files(item)
        if isinstance(item, Found):
            found.append(item)
        elif item is not None:
            findings.append(item)
    findings += [*_duplicates(found), *_relabelled(found), *copies(found)]
    findings += [Broken(path, why) for path, record in found for why in implausible_times(record)]
    unsealed = sum(not item.record.sealed for item in found)
    return Validated(total, unsealed, sorted(findings), valid)


def examine(path: Path) -> FoundRun | Broken | None:
    """A file's record validated against its files; None if it is gone."""
    item = read_file(path)
    return _against_files(item) if isinstance(item, Found) else item


def _against_files(item: FoundRun) -> FoundRun | Broken:
    try:
        check_results(*item)
    except RecordError as error:
        return broken_file(item.path, error)
    return item


def check_results(path: Path, record: RunRecord) -> None:
    """Hold a valid record against its predictions and its diagnostics.

    Raises:
        RecordError: If they do not belong together; the message says what does not.
    """
    read_diagnostics(path, record)
    if record.predictions is None:
        return
    predictions = read_predictions(path)
    for fault in (*_samples(record, predictions), *_classes(record, predictions)):
        raise RecordError(fault)
    stored = read_mapping(path, (1, SCHEMA_VERSION), what="run record")
    for fault in _metrics(record, stored, predictions):
        raise RecordError(fault)


def _samples(record: RunRecord, predictions: Predictions) -> Iterator[str]:
    index, counted = predictions.index, record.counts.get("test")
    if len(index) != counted:
        yield f"its predictions are of {len(index)} samples, and {counted} were tested on"
    if len(np.unique(index)) != len(index) or np.any(index < 0):
        yield "its predictions name a sample twice, or none"
    if record.sealed:
        facts = record.provenance["facts"]["split"]["test"]
        if hash_array(index) != facts.get("sha256"):
            yield "its predictions are of other samples than its test part"
        if hash_array(predictions.label) != facts.get("labels"):
            yield "its predictions have other labels than its test part"


def _classes(record: RunRecord, predictions: Predictions) -> Iterator[str]:
    names = record.provenance.get("classes")
    facts = record.provenance.get("facts", {}).get("task", {}) if record.sealed else {}
    for known in (len(names) if isinstance(names, list) else None, facts.get("classes")):
        if known not in (None, predictions.num_classes):
            yield f"its predictions are over {predictions.num_classes} classes, of {known}"


def _metrics(record: RunRecord, stored: dict[str, Any], predictions: Predictions) -> Iterator[str]:
    """The metrics that are not those of the predictions."""
    try:
        scores = predictions.scores()
    except EvaluationError as error:
        yield f"its predictions cannot be scored: {error}"
        return
    said, per_class = stored.get("metrics", {}), stored.get("per_class", {})
    for name, value in said.items():
        if name not in scores.metrics:
            yield f"its metric {name!r} is none that can be computed again"
        elif not _close(value, scores.metrics[name]) and not (
            name == "auroc" and not record.sealed and _close(value, _old_auroc(predictions))
        ):
            yield f"its {name} is {value}, and {scores.metrics[name]} by its predictions"
    if record.sealed and (lacking := sorted(METRICS.keys() - said.keys() - _ADDED)):
        yield f"it lacks the metric {lacking[0]!r}"
    for name, values in per_class.items():
        again = scores.per_class.get(name, ())
        if len(again) != len(values) or (
            record.sealed and not all(map(_close, values, again))  # schema 1 ranked otherwise
        ):
            yield f"its {name} by class is {values}, and {list(again)} by its predictions"


def _close(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)


def _old_auroc(predictions: Predictions) -> float | None:
    """The area as it was recorded in schema 1, by the rank of float32 probabilities."""
    labels, probabilities = predictions.label, predictions.probabilities.astype(np.float32)
    count = predictions.num_classes
    if len(np.unique(labels)) < count:
        return None
    scored = [1] if count == 2 else range(count)
    areas = [area_under_roc(labels == k, probabilities[:, k].astype(np.float64)) for k in scored]
    return float(np.mean(areas))


# ------------------------------------------------------------------ among each other


def _duplicates(found: Sequence[FoundRun]) -> Iterator[Broken]:
    """Files that record a run which another file records."""
    kept, conflicts = unite(found)
    standing = {(item.record.key.preset, item.record.identity): item.path for item in kept}
    contradicting = {str(path) for pair in conflicts for path, _ in pair}
    for path, record in found:
        first = standing.get((record.key.preset, record.identity))
        if str(path) in contradicting:
            yield Broken(path, "another file has other results of the same run; remove one")
        elif first != path:
            yield Broken(path, f"a duplicate: {first} records the same run; remove one")


def _relabelled(found: Sequence[FoundRun]) -> Iterator[Broken]:
    """Files that contradict an earlier file about the labels of the same samples."""
    known: dict[tuple[str, ...], tuple[str, Path]] = {}
    for path, record in found:
        if record.predictions is None:
            continue
        predictions = read_predictions(path)
        data = str(record.provenance["hashes"].get("data"))
        samples = (record.key.task, data, hash_array(predictions.index))
        labels = hash_array(predictions.label)
        earlier, first = known.setdefault(samples, (labels, path))
        if labels != earlier:
            yield Broken(path, f"its samples have other labels than in {first}")
