"""Reading the files of one run: JSON record, npz predictions, weights.

A record is valid if every key of it is as :class:`~crossbench.specs.RunRecord` says, its seal
holds, and the files that it names are there, byte for byte. How they come to be there is in
:mod:`crossbench.results.records.writing`.
"""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING, Any

from crossbench.errors import EvaluationError, RecordError
from crossbench.results.records.checks import check_record
from crossbench.results.records.diagnostics import DIAGNOSTICS
from crossbench.results.records.identity import hash_provenance, record_digest
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.reading import (
    MAX_ARRAYS,
    as_spec,
    beside,
    open_regular,
    read_mapping,
    read_regular,
    unpack,
)
from crossbench.specs import SCHEMA_VERSION, RunRecord

if TYPE_CHECKING:
    from pathlib import Path


#: Fields that records of schema 1 do not have.
_SINCE_2 = ("diagnostics", "diagnostics_sha256", "digest", "partial")

_REMEDY = "run it again with --save-weights"


def read_record(path: Path) -> RunRecord:
    """Read one record and check its seal and the files it names, byte for byte.

    Raises:
        RecordError: If the file is not a whole record of a schema version that is known; the
            message names the file and the fact.
    """
    try:
        return _read_once(path)
    except RecordError:  # perhaps a new record took its place, and the old one's files are gone
        return _read_once(path)


def read_predictions(path: Path) -> Predictions:
    """The predictions beside the record in ``path``.

    Raises:
        RecordError: If the record is not valid or has no predictions.
    """
    record = read_record(path)
    if record.predictions is None:
        raise RecordError(f"{path}: a run that is {record.status!r} has no predictions")
    try:
        return Predictions.from_arrays(unpack(_read_packed(path, record)))
    except RecordError as error:
        raise RecordError(f"{path.with_name(record.predictions)}: {error}") from error


def _read_once(path: Path) -> RunRecord:
    mapping = read_mapping(path, (1, SCHEMA_VERSION), what="run record")
    known = hash_provenance(mapping.get("provenance"))
    if mapping["schema_version"] == 1:
        mapping = _of_schema_1(path, mapping)
    elif mapping.get("digest") != record_digest(mapping, known):
        msg = f"{path}: its digest is not that of its content; it was changed after it was written"
        raise RecordError(msg)
    record = as_spec(path, RunRecord, mapping)
    try:
        check_record(record, known)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error
    if record.predictions is not None:
        packed = _read_packed(path, record)
        if not record.sealed:
            record = _scored_anew(path, record, packed)
    if record.weights is not None:
        _check_weights(path, record)
    return record


def _of_schema_1(path: Path, mapping: dict[str, Any]) -> dict[str, Any]:
    """A record of schema 1 as schema 2: no seal, diagnostics under a fixed name."""
    for key in _SINCE_2:
        if key in mapping:
            raise RecordError(f"{path}: unknown key {key!r} for schema version 1")
    diagnostics = path.with_suffix(DIAGNOSTICS)
    return mapping | {"diagnostics": diagnostics.name if diagnostics.is_file() else None}


def _scored_anew(path: Path, record: RunRecord, packed: bytes) -> RunRecord:
    """A record of schema 1 with the metrics of the probabilities that it kept.

    It ranked by them in float32, knew fewer metrics, and has no seal that vouches for its own.
    """
    classes = record.provenance.get("classes")
    try:
        predictions = Predictions.from_arrays(unpack(packed))
        names = [str(name) for name in classes] if isinstance(classes, list) else []
        scores = predictions.scores(names if len(names) == predictions.num_classes else None)
    except (RecordError, EvaluationError) as error:
        raise RecordError(f"{path}: its predictions cannot be scored: {error}") from error
    return dataclasses.replace(
        record,
        metrics=scores.metrics,
        undefined=scores.undefined,
        partial=scores.partial,
        per_class=scores.per_class,
    )


def _read_packed(path: Path, record: RunRecord) -> bytes:
    """The bytes of a record's predictions, once they are known to be the record's."""
    name = record.predictions or ""
    try:
        packed = read_regular(beside(path, name, "predictions"), MAX_ARRAYS)
    except OSError as error:
        raise RecordError(f"{path}: its predictions cannot be read: {error}") from error
    if hashlib.sha256(packed).hexdigest() != record.predictions_sha256:
        raise RecordError(f"{path}: its predictions {name!r} are not the ones it was written with")
    return packed


def _check_weights(path: Path, record: RunRecord) -> None:
    name = record.weights or ""
    try:
        with open_regular(beside(path, name, "weights")) as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RecordError(f"{path}: its weights cannot be read: {error}; {_REMEDY}") from error
    if found != record.weights_sha256:
        msg = f"{path}: its weights {name!r} are not the ones it was written with; {_REMEDY}"
        raise RecordError(msg)
