"""Writing the files of one run: old files go once new ones are on the disk.

Every file but the record has its own digest in its name, and the record names it. A write puts
the new files beside the old ones, then swaps the record, then removes what only the old record
named: a process that is killed, or a disk that is full, leaves the old record or the new one,
with all that it names.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any

from crossbench.errors import RecordError
from crossbench.files.atomic import copy, place, rename
from crossbench.files.hashing import hash_file
from crossbench.results.records.checks import check_record
from crossbench.results.records.diagnostics import DIAGNOSTICS, pack_diagnostics
from crossbench.results.records.identity import hash_provenance, record_digest
from crossbench.results.records.reading import (
    beside,
    has_surrogates,
    pack,
    parse_json,
    read_mapping,
)
from crossbench.specs import SCHEMA_VERSION
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.results.records.predictions import Predictions
    from crossbench.specs import RunRecord

#: How the names of the files end that a record names, by the field that names them.
ENDINGS = {"predictions": ".npz", "weights": ".safetensors", "diagnostics": DIAGNOSTICS}

#: What a record says of files that are not there.
NO_FILES: dict[str, Any] = {name: None for field in ENDINGS for name in (field, f"{field}_sha256")}

# What a killed write left behind goes with the run's next write, but never sooner than
# this: a younger file may belong to a living process.
_LEFTOVER_SECONDS = 3600.0


def write_run(
    path: Path,
    record: RunRecord,
    predictions: Predictions | None,
    write_weights: Callable[[Path], None] | None = None,
    diagnostics: Diagnostics | None = None,
) -> None:
    """Write a record and the files beside it, in place of an earlier try of the run.

    Until the new record stands, the old one does, with all that it names.

    Args:
        path: The record's file; its folder is made as needed.
        record: The record; its digest and the names and digests of its files are filled in here.
        predictions: Present if, and only if, the run is ``ok``.
        write_weights: Writes the fitted network's weights to the path it is given, whole or
            not at all; None where they are not kept.
        diagnostics: Per-layer diagnostics of the network; None leaves those of an
            earlier try.

    Raises:
        RecordError: If the record holds NaN or what JSON has no form for, predictions are
            lacking or too many, or the folder cannot be written.
    """
    if (record.status == "ok") != (predictions is not None):
        having = "without" if predictions is None else "with"
        raise RecordError(f"{record.key}: status {record.status!r} {having} predictions")
    record = dataclasses.replace(record, schema_version=SCHEMA_VERSION, digest=None, **NO_FILES)
    _check(record)  # before anything is written
    contents = {} if predictions is None else {"predictions": pack(predictions.to_arrays())}
    if diagnostics is not None:
        contents["diagnostics"] = pack_diagnostics(diagnostics)
    with naming(path):
        _replace_run(path, record, contents, write_weights)


def copy_run(source: Path, record: RunRecord, path: Path) -> None:
    """Copy a record and its files, replacing an earlier attempt.

    Raises:
        OSError: If the folder cannot be written.
        RecordError: If a file of another run has a name that the record names, or a file is no
            longer the one that the record was written with.
    """
    with _succeeding(path) as written:
        for field in ENDINGS:
            name = getattr(record, field)
            if name is None:
                continue
            fixed = field == "diagnostics" and not record.sealed
            target = path.with_suffix(DIAGNOSTICS) if fixed else path.with_name(name)
            digest = getattr(record, f"{field}_sha256")
            if _is_own(path, target.name):
                written.add(target.name)
            elif target.exists() and hash_file(target) != digest:
                raise RecordError(f"{target} is another run's; rename one of the two")
            copy(beside(source, name, field), target)
            if digest not in (None, hash_file(target)):
                raise RecordError(f"{source}: its {field} {name!r} were changed meanwhile")
        copy(source, path)


def _replace_run(
    path: Path,
    record: RunRecord,
    contents: Mapping[str, bytes],
    write_weights: Callable[[Path], None] | None,
) -> None:
    names: dict[str, Any] = {}
    with _succeeding(path) as written:
        if "diagnostics" not in contents:
            names = _diagnostics_of(path, record)
        for field, content in contents.items():
            digest = hashlib.sha256(content).hexdigest()
            name = _name(path, digest, field)
            names |= {field: name, f"{field}_sha256": digest}
            written.add(name)
            place(path.with_name(name), content)
        if write_weights is not None:
            names |= _place_weights(path, write_weights, written)
        place(path, sealed_json(dataclasses.replace(record, **names)))


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the record that the system could not write.

    Raises:
        RecordError: If the block raises an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}") from error


@contextlib.contextmanager
def _succeeding(path: Path) -> Iterator[set[str]]:
    """Replace the record in ``path``: files first, the record last.

    Takes the names of files as they are written beside it. Whichever record stands in the end,
    the old one or the new, keeps what it names, and the rest goes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    written = _named(path, _mapping_of(path) or {})
    try:
        yield written
    finally:
        standing = _mapping_of(path)
        if standing is not None:
            for name in written - _named(path, standing):
                path.with_name(name).unlink(missing_ok=True)


def _diagnostics_of(path: Path, record: RunRecord) -> dict[str, str | None]:
    """Diagnostics of an earlier attempt, valid here for it has the same network."""
    old = _mapping_of(path) or {}
    if record.status != "ok" or old.get("identity") != record.identity:
        return {}
    return {name: old.get(name) for name in ("diagnostics", "diagnostics_sha256")}


def _place_weights(
    path: Path, write_weights: Callable[[Path], None], written: set[str]
) -> dict[str, str | None]:
    """Write weights, whose digest, and so their name, is known once they are there."""
    draft = _name(path, uuid.uuid4().hex, "weights")
    written.add(draft)
    write_weights(path.with_name(draft))
    digest = hash_file(path.with_name(draft))
    name = _name(path, digest, "weights")
    written.add(name)
    rename(path.with_name(draft), path.with_name(name))
    return {"weights": name, "weights_sha256": digest}


def _name(path: Path, digest: str, field: str) -> str:
    return f"{path.stem}.{digest[:16]}{ENDINGS[field]}"


def _mapping_of(path: Path) -> dict[str, Any] | None:
    """The record's file as a mapping, empty if absent; None if unreadable."""
    try:
        return read_mapping(path, (1, SCHEMA_VERSION), what="run record")
    except RecordError:
        return None if path.exists() else {}


def _named(path: Path, mapping: Mapping[str, Any]) -> set[str]:
    """The files of this run that a record names."""
    names = (mapping.get(field) for field in ENDINGS)
    return {name for name in names if isinstance(name, str) and _is_own(path, name)}


def _is_own(path: Path, name: str) -> bool:
    """Whether a file beside a record is of its run, by its name."""
    endings = "|".join(map(re.escape, ENDINGS.values()))
    return bool(re.fullmatch(rf"{re.escape(path.stem)}(\.[0-9a-f]{{16}})?({endings})", name))


def _sweep(path: Path) -> None:
    """Remove files of killed writes that no record names."""
    standing = _mapping_of(path)
    if standing is None:
        return
    named, oldest = _named(path, standing), time.time() - _LEFTOVER_SECONDS
    for file in path.parent.glob(f"{path.stem}.*"):
        if _is_own(path, file.name) and file.name not in named:
            with contextlib.suppress(FileNotFoundError):  # removed by another process meanwhile
                if file.stat().st_mtime < oldest:
                    file.unlink()


def _check(record: RunRecord) -> None:
    """Refuse to write what no reader would take for a record."""
    sealed_json(record)
    try:
        predicted = dataclasses.replace(record, predictions="" if record.status == "ok" else None)
        check_record(predicted, hash_provenance(record.provenance))
    except RecordError as error:
        raise RecordError(f"record of {record.key}: {error}") from error


def sealed_json(record: RunRecord) -> bytes:
    """A run's record as the bytes of its file, its digest filled in."""
    what = f"record of {record.key}"
    plain = parse_json(to_json(record, what=what))
    return to_json(
        dataclasses.replace(
            record, digest=record_digest(plain, hash_provenance(plain["provenance"]))
        ),
        what=what,
    )


def to_json(record: Any, *, what: str) -> bytes:
    """A record as the bytes of its file.

    Raises:
        RecordError: If it holds NaN, what JSON has no form for, or what no reader takes; the
            message begins with ``what``.
    """
    mapping = to_mapping(record)
    try:
        text = json.dumps(mapping, indent=1, allow_nan=False)
        if has_surrogates(text):  # as in the message of an error that names such a file
            text = json.dumps(_printable(mapping), indent=1, allow_nan=False)
        content = text.encode() + b"\n"
        parse_json(content)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecordError(f"{what}: cannot be written as JSON: {error}") from error
    return content


def _printable(value: Any) -> Any:
    """Plain values, with unpaired surrogates escaped."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    return [_printable(item) for item in value] if isinstance(value, list) else value
