"""The files of a pretraining: room for them, weights under their digest, the record last.

Nothing is removed before what follows it is on the disk: until the new record stands, the old
one does, with the weights that it names.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from typing import TYPE_CHECKING

from crossbench.errors import RecordError, RequestError
from crossbench.files.atomic import place
from crossbench.files.sizes import free_bytes, no_room
from crossbench.results.records.folders import PRETRAIN_ENDING
from crossbench.results.records.pretrainings import (
    PretrainRecord,
    read_pretraining,
    write_pretraining,
)
from crossbench.results.records.reading import beside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def check_room(folder: Path, needed: int) -> None:
    """Refuse a folder that cannot be written, or whose disk has not the room.

    Args:
        folder: Where files will go; made as needed.
        needed: Bytes that they will take.

    Raises:
        RequestError: If so.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0")
        free = free_bytes(folder)
    except OSError as error:
        msg = f"folder {str(folder)!r} cannot be written ({error.strerror}); choose another --out"
        raise RequestError(msg) from error
    if free < needed:
        what = "the state of training, and its weights,"
        raise RequestError(f"{no_room(folder, what, needed, free)} --out")


def kept(path: Path, identity: str) -> PretrainRecord | None:
    """The record in ``path`` if it is of this identity, valid, and its weights are there."""
    try:
        record = read_pretraining(path)
        content = beside(path, record.checkpoint, "checkpoint").read_bytes()
    except (OSError, RecordError):
        return None
    whole = hashlib.sha256(content).hexdigest() == record.checkpoint_sha256
    return record if whole and record.identity == identity else None


def write(path: Path, weights: bytes, record: Callable[[str, str], PretrainRecord]) -> None:
    """Put weights and record in the place of those that were there.

    Args:
        path: The record's file.
        weights: The bytes of the checkpoint.
        record: Makes the record from the name of the checkpoint and its digest.

    Raises:
        RecordError: If the record has no form as JSON, or the folder cannot be written.
    """
    digest = hashlib.sha256(weights).hexdigest()
    name = f"{_stem(path)}.{digest[:16]}.safetensors"
    try:
        place(path.with_name(name), weights)
        write_pretraining(path, record(name, digest))
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}") from error
    finally:
        sweep(path)


def sweep(path: Path) -> None:
    """Remove checkpoints of this pretraining that the record in ``path`` does not name."""
    try:
        standing = read_pretraining(path).checkpoint if path.exists() else ""
    except RecordError:
        return
    ours = re.compile(rf"{re.escape(_stem(path))}\.[0-9a-f]{{16}}\.safetensors")
    for file in path.parent.glob(f"{_stem(path)}.*.safetensors"):
        if ours.fullmatch(file.name) and file.name != standing:
            file.unlink(missing_ok=True)


def _stem(path: Path) -> str:
    return path.name.removesuffix(PRETRAIN_ENDING)
