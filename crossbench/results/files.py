"""The files of one run: a JSON record, its predictions as compressed npz, and kept weights.

The record is put in place last, each file by renaming a finished one, so that a process
killed at any moment leaves only whole records. A record is valid if every key of it is as
:class:`~crossbench.specs.RunRecord` says and the files that it names are there, byte for byte.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import json
import math
import shutil
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from crossbench.atomic import replacing
from crossbench.cards import from_mapping, to_mapping
from crossbench.errors import CardError, RecordError
from crossbench.hashing import hash_file
from crossbench.results.predictions import Predictions
from crossbench.specs import SCHEMA_VERSION, RunRecord

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# What a killed write left behind goes with the run's next write, but never sooner than
# this: a younger file may belong to a living process.
_LEFTOVER_SECONDS = 3600.0

_REMEDY = "run it again with --save-weights"


def read_record(path: Path) -> RunRecord:
    """Read one record and check that the files it names are there, byte for byte.

    Raises:
        RecordError: If the file is not a whole record of this schema version; the message
            names the file and the fact.
    """
    record = read_versioned(path, RunRecord, SCHEMA_VERSION, what="run record")
    if record.predictions is not None:
        _read_packed(path, record)
    if record.weights is not None:
        _check_weights(path, record)
    return record


def read_predictions(path: Path) -> Predictions:
    """The predictions beside the record in ``path``.

    Raises:
        RecordError: If the record is not valid or has no predictions.
    """
    record = read_record(path)
    if record.predictions is None:
        raise RecordError(f"{path}: a run that is {record.status!r} has no predictions")
    try:
        with np.load(io.BytesIO(_read_packed(path, record)), allow_pickle=False) as arrays:
            return Predictions.from_arrays(arrays)
    except (OSError, ValueError, zipfile.BadZipFile, RecordError) as error:
        raise RecordError(f"{path.with_name(record.predictions)}: {error}") from error


def weights_path(path: Path) -> Path:
    """Where the weights of the run recorded in ``path`` lie, or would lie."""
    return path.with_suffix(".safetensors")


def write_run(
    path: Path,
    record: RunRecord,
    predictions: Predictions | None,
    write_weights: Callable[[Path], None] | None = None,
) -> None:
    """Write a record and the files beside it, in place of an earlier try of the run.

    Args:
        path: The record's file; its folder is made as needed.
        record: The record; its fields ``predictions``, ``weights`` and their digests are
            filled in here.
        predictions: Present if, and only if, the run is ``ok``.
        write_weights: Writes the fitted network's weights to the path it is given, whole or
            not at all; None where they are not kept.

    Raises:
        RecordError: If the record holds NaN or what JSON has no form for, predictions are
            lacking or too many, or the folder cannot be written.
    """
    if (record.status == "ok") != (predictions is not None):
        having = "without" if predictions is None else "with"
        raise RecordError(f"{record.key}: status {record.status!r} {having} predictions")
    packed = None if predictions is None else _pack(predictions)
    record = dataclasses.replace(
        record,
        predictions=None if packed is None else path.with_suffix(".npz").name,
        predictions_sha256=None if packed is None else hashlib.sha256(packed).hexdigest(),
        weights=None,
        weights_sha256=None,
    )
    to_json(record, what=f"record of {record.key}")  # before anything is replaced
    try:
        _replace_run(path, record, packed, write_weights)
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}") from error


# ------------------------------------------------------------------ reading, in parts


def read_versioned(path: Path, spec: type[T], version: int, *, what: str) -> T:
    """Read one JSON file strictly as a dataclass that has a ``schema_version``.

    Args:
        path: The file.
        spec: The dataclass that is the schema.
        version: The schema version that is read.
        what: What the file should be, for messages.

    Raises:
        RecordError: If the file cannot be read, or a key is unknown, missing or of the wrong
            type; the message names the file and the fact.
    """
    mapping = _read_json(path, what)
    found = mapping.get("schema_version")
    if found is None:
        raise RecordError(f"{path}: no {what}: it has no schema_version")
    if type(found) is not int or found != version:
        msg = f"{path}: schema version {found!r} is unknown; this crossbench reads {version}"
        raise RecordError(msg)
    try:
        return from_mapping(spec, mapping, where=str(path))
    except CardError as error:
        raise RecordError(str(error)) from error


def _read_json(path: Path, what: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes(), parse_constant=_finite, parse_float=_finite)
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{path}: no {what}: it holds {type(value).__name__}, not an object")
    return value


def _finite(text: str) -> float:
    """A number of a JSON file; JSON has neither NaN nor infinity, but 1e400 would become one."""
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text} is not a JSON number that a float can hold"
        raise ValueError(msg)
    return value


def _read_packed(path: Path, record: RunRecord) -> bytes:
    """The bytes of a record's predictions, once they are known to be the record's."""
    name = record.predictions or ""
    try:
        packed = _beside(path, name, "predictions").read_bytes()
    except OSError as error:
        raise RecordError(f"{path}: its predictions cannot be read: {error}") from error
    if hashlib.sha256(packed).hexdigest() != record.predictions_sha256:
        raise RecordError(f"{path}: its predictions {name!r} are not the ones it was written with")
    return packed


def _check_weights(path: Path, record: RunRecord) -> None:
    name = record.weights or ""
    try:
        found = hash_file(_beside(path, name, "weights"))
    except OSError as error:
        raise RecordError(f"{path}: its weights cannot be read: {error}; {_REMEDY}") from error
    if found != record.weights_sha256:
        msg = f"{path}: its weights {name!r} are not the ones it was written with; {_REMEDY}"
        raise RecordError(msg)


def _beside(path: Path, name: str, what: str) -> Path:
    """The file that a record names, which must lie beside it."""
    if Path(name).name != name or "\\" in name:
        raise RecordError(f"{path}: {what} {name!r} must be the name of a file beside it")
    return path.with_name(name)


# ------------------------------------------------------------------ writing, in parts


def _pack(predictions: Predictions) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **predictions.to_arrays())
    return stream.getvalue()


def to_json(record: Any, *, what: str) -> bytes:
    """A record as the bytes of its file.

    Raises:
        RecordError: If it holds NaN or what JSON has no form for; the message begins with
            ``what``.
    """
    try:
        return json.dumps(to_mapping(record), indent=1, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise RecordError(f"{what}: cannot be written as JSON: {error}") from error


def _replace_run(
    path: Path,
    record: RunRecord,
    packed: bytes | None,
    write_weights: Callable[[Path], None] | None,
) -> None:
    _sweep(path)
    path.unlink(missing_ok=True)  # an old record never stands beside new predictions
    if packed is None:
        path.with_suffix(".npz").unlink(missing_ok=True)
    else:
        place(path.with_suffix(".npz"), packed)
    weights = weights_path(path)
    if write_weights is None:
        weights.unlink(missing_ok=True)
    else:
        write_weights(weights)
        digest = hash_file(weights)
        record = dataclasses.replace(record, weights=weights.name, weights_sha256=digest)
    place(path, to_json(record, what=f"record of {record.key}"))


def place(path: Path, content: bytes) -> None:
    """Write a file such that it is there whole or not at all, a power cut included.

    Folders are made as needed.
    """
    with replacing(path) as draft:
        draft.write_bytes(content)


def copy(source: Path, path: Path) -> None:
    """Copy a file such that it is there whole or not at all."""
    with replacing(path) as draft:
        shutil.copyfile(source, draft)


def _sweep(path: Path) -> None:
    """Remove what killed writes of this run left behind."""
    oldest = time.time() - _LEFTOVER_SECONDS
    for draft in path.parent.glob(f".{path.stem}.*.tmp"):
        with contextlib.suppress(FileNotFoundError):  # put in place by another process meanwhile
            if draft.stat().st_mtime < oldest:
                draft.unlink()
