"""Results folders: finding, writing and reading the records of many runs.

One run leaves files that a person can find, the last two where they were asked for::

    <root>/<preset>/<task>/<method>/<init>-<protocol>-seed43-fold0-<identity[:8]>.json
    <same>.<digest[:16]>.npz
    <same>.<digest[:16]>.safetensors
    <same>.<digest[:16]>.diagnostics.npz

What the files hold, and how they come to be whole or absent, is in
:mod:`crossbench.results.records.files`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from crossbench.environment.spans import span
from crossbench.errors import RecordError, RequestError
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.folders import file_name, method_folder, run_files
from crossbench.results.records.kinds import Broken, Found, broken_file, check_folder
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.reading import is_foreign
from crossbench.results.records.writing import write_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.specs import RunKey, RunRecord

    FoundRun: TypeAlias = Found[RunRecord]

__all__ = [
    "Broken",
    "Found",
    "Predictions",
    "Store",
    "read_file",
    "read_folders",
    "read_predictions",
    "read_record",
    "unite",
]


# ---------------------------------------------------------------------------- store


class Store:
    """The records under one folder.

    Args:
        root: The folder; it need not exist before the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path_of(self, key: RunKey, identity: str) -> Path:
        """Path of the record of a run, whether or not it is there; always below the root."""
        name = (
            f"{file_name(key.init)}-{file_name(key.protocol)}"
            f"-seed{key.seed}-fold{key.fold}-{file_name(identity[:8])}.json"
        )
        folders = [*map(file_name, (key.preset, key.task)), method_folder(key.method)]
        return self.root.joinpath(*folders, name)

    @span("write", fine=True)
    def write(
        self,
        record: RunRecord,
        predictions: Predictions | None,
        write_weights: Callable[[Path], None] | None = None,
        diagnostics: Diagnostics | None = None,
    ) -> Path:
        """Write a record and its files, replacing an earlier attempt.

        The arguments are those of :func:`crossbench.results.records.writing.write_run`.

        Returns:
            The record's file.
        """
        path = self.path_of(record.key, record.identity)
        write_run(path, record, predictions, write_weights, diagnostics)
        return path

    def find(self, key: RunKey, identity: str) -> RunRecord | None:
        """The valid record of a run, whatever its status, or None."""
        path = self.path_of(key, identity)
        if not path.is_file():
            return None
        try:
            record = read_record(path)
        except RecordError:
            return None
        return record if (record.key, record.identity) == (key, identity) else None

    def changed(self, key: RunKey, identity: str) -> int | None:
        """When the record of a run was written, in nanoseconds, or None if there is none."""
        try:
            return self.path_of(key, identity).stat().st_mtime_ns
        except OSError:
            return None

    def files(self) -> list[Path]:
        """Every JSON file below the root that should be a run's."""
        return run_files(self.root)

    def scan(self) -> Iterator[FoundRun | Broken]:
        """Every file of :meth:`files`, read."""
        return (item for path in self.files() if (item := read_file(path)) is not None)

    def records(self) -> Iterator[RunRecord]:
        """The valid records, in the order of their paths."""
        return (item.record for item in self.scan() if isinstance(item, Found))

    def broken(self) -> list[Broken]:
        """The files that are no valid records, and why."""
        return [item for item in self.scan() if isinstance(item, Broken)]


def without_runs(folder: Path | str, others: Iterable[Path]) -> bool:
    """Whether a folder holds some of these records of other kinds, and none of runs."""
    return any(path.is_relative_to(folder) for path in others) and not run_files(Path(folder))


def read_file(path: Path) -> FoundRun | Broken | None:
    """The record in a file or its fault; None if the file is gone."""
    try:
        return Found(path, read_record(path))
    except RecordError as error:
        there = os.path.lexists(path) or is_foreign(path)
        return broken_file(path, error) if there else None


# -------------------------------------------------------------------------- folders


def read_folders(folders: Sequence[Path | str]) -> tuple[list[FoundRun], list[Broken]]:
    """Valid records of several folders, one per run and preset, and broken files.

    Where two folders hold the same run, a finished one stands over a failed one, and of two
    with equal results the first stands.

    Raises:
        RequestError: If no folder is given, or one does not exist or holds no JSON file.
        RecordError: If two folders hold the same run with different results.
    """
    if not folders:
        raise RequestError("no results folder given")
    items = [item for folder in dict.fromkeys(map(Path, folders)) for item in _read_folder(folder)]
    found = [item for item in items if isinstance(item, Found)]
    broken = [item for item in items if isinstance(item, Broken)]
    if not found:
        path, reason = broken[0]
        raise RecordError(f"none of {len(broken)} files is a valid record; {path}: {reason}")
    kept, conflicts = unite(found)
    if conflicts:
        pairs = "\n  ".join(f"{one.path} and {other.path}" for one, other in conflicts)
        raise RecordError(f"same run, different results; remove one file of each pair:\n  {pairs}")
    return kept, broken


def unite(found: Iterable[FoundRun]) -> tuple[list[FoundRun], list[tuple[FoundRun, FoundRun]]]:
    """One record per run and preset, and the pairs with different results of one run.

    A finished run stands over a failed one, and of two with equal results the first stands. A run
    that two presets agree on has a place on the boards of both.
    """
    known: dict[tuple[str, str], FoundRun] = {}
    finished: dict[str, FoundRun] = {}
    conflicts: list[tuple[FoundRun, FoundRun]] = []
    for item in found:
        record = item.record
        done = record.status == "ok"
        if done and _disagree(first := finished.setdefault(record.identity, item), item):
            conflicts.append((first, item))
            continue
        place = record.key.preset, record.identity
        if known.setdefault(place, item).record.status != "ok" and done:
            known[place] = item
    return list(known.values()), conflicts


def _read_folder(folder: Path) -> list[FoundRun | Broken]:
    check_folder(folder)
    items = list(Store(folder).scan())
    if not items:
        msg = f"results folder {str(folder)!r} holds no records; `crossbench run` writes them"
        raise RequestError(msg)
    return items


def _disagree(one: FoundRun, other: FoundRun) -> bool:
    """Whether two finished records of one run have different results."""
    if one is other:
        return False
    if one.record.metrics != other.record.metrics:
        return True
    if one.record.predictions_sha256 == other.record.predictions_sha256:
        return False
    pairs = zip(_arrays(one.path), _arrays(other.path), strict=True)
    return not all(np.array_equal(first, second) for first, second in pairs)


def _arrays(path: Path) -> tuple[NDArray[Any], ...]:
    predictions = read_predictions(path)
    return predictions.index, predictions.label, predictions.log_probabilities
