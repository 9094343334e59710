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

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from crossbench.environment.spans import span
from crossbench.errors import RecordError, RequestError
from crossbench.results.records.files import read_predictions, read_record
from crossbench.results.records.predictions import Predictions
from crossbench.results.records.reading import as_text, is_foreign
from crossbench.results.records.writing import write_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.specs import RunKey, RunRecord

__all__ = [
    "Broken",
    "Found",
    "Predictions",
    "Store",
    "file_name",
    "json_files",
    "load_results",
    "read_file",
    "read_folders",
    "read_others",
    "read_predictions",
    "read_record",
    "unite",
    "without_runs",
]

T = TypeVar("T")

#: How the files of :mod:`crossbench.results.boards.benches` end, which share the folders.
BENCH_ENDING = ".bench.json"

#: How the files of :mod:`crossbench.results.records.pretrainings` end, which share them too.
PRETRAIN_ENDING = ".pretrain.json"

_OTHERS = (BENCH_ENDING, PRETRAIN_ENDING)

# How names end after what is common to the files of one run.
_ENDINGS = re.compile(r"(\.[0-9a-f]{16})?(\.diagnostics)?\.(npz|safetensors)$")

# Of a preset, a task and a method.
_LINKED_DEPTH = 3

_LONGEST_NAME = 64
_HERE = os.path.join(os.curdir, "")  # noqa: PTH118  # a trailing separator


class Found(NamedTuple):
    """A valid record and the file it was read from."""

    path: Path
    record: RunRecord


class Broken(NamedTuple):
    """A file that is no valid record, and why."""

    path: Path
    reason: str


# ---------------------------------------------------------------------------- store


class Store:
    """The records under one folder.

    Args:
        root: The folder; it need not exist before the first write.
    """

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def path_of(self, key: RunKey, identity: str) -> Path:
        """Where the record of a run lies, or would lie; always below the root."""
        name = (
            f"{file_name(key.init)}-{file_name(key.protocol)}"
            f"-seed{key.seed}-fold{key.fold}-{file_name(identity[:8])}.json"
        )
        folders = (file_name(part) for part in (key.preset, key.task, key.method))
        return self.root.joinpath(*folders, name)

    @span("write", fine=True)
    def write(
        self,
        record: RunRecord,
        predictions: Predictions | None,
        write_weights: Callable[[Path], None] | None = None,
        diagnostics: Diagnostics | None = None,
    ) -> Path:
        """Put a record and what goes with it on disk, in place of an earlier try of that run.

        Args:
            record: The record; its digest and the names and digests of its files are filled in
                here.
            predictions: Present if, and only if, the run is ``ok``.
            write_weights: Writes the fitted network's weights to the path it is given, whole
                or not at all; None where they are not kept.
            diagnostics: What the network's layers told of themselves; None leaves those of an
                earlier try.

        Returns:
            The record's file.

        Raises:
            RecordError: If the record holds NaN or what JSON has no form for, lacks
                predictions, or the folder cannot be written.
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
        """Every JSON file below the root that should be a run's; see :func:`json_files`."""
        return [Path(path) for path in self.paths()]

    def paths(self) -> list[str]:
        """The same as strings: of ten thousand records, paths take longer than reading a table."""
        return [path for path in _json_paths(self.root) if not path.endswith(_OTHERS)]

    def states(self) -> dict[str, str]:
        """What changes whenever a file of :meth:`paths` does, or one that lies beside it."""
        return {
            as_text(os.path.join(folder, name).removeprefix(_HERE)): as_text(  # noqa: PTH118
                " ".join(_stamp(folder, each) for each in sorted(group))
            )
            for folder, names in _walk(self.root)
            for group in _by_run(names)
            for name in group
            if _is_json(name) and not name.endswith(_OTHERS)
        }

    def scan(self) -> Iterator[Found | Broken]:
        """Every file of :meth:`files`, read."""
        return (item for path in self.files() if (item := read_file(path)) is not None)

    def records(self) -> Iterator[RunRecord]:
        """The valid records, in the order of their paths."""
        return (item.record for item in self.scan() if isinstance(item, Found))

    def broken(self) -> list[Broken]:
        """The files that are no valid records, and why."""
        return [item for item in self.scan() if isinstance(item, Broken)]


def json_files(root: Path) -> list[Path]:
    """Every JSON file below a folder; those that start with a dot are passed over."""
    return [Path(path) for path in _json_paths(root)]


def _json_paths(root: Path) -> list[str]:
    """The same as strings, each as ``str(Path(...))`` would write it."""
    return sorted(
        as_text(os.path.join(folder, name).removeprefix(_HERE))  # noqa: PTH118  # see Store.paths
        for folder, names in _walk(root)
        for name in names
        if _is_json(name)
    )


def _is_json(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Every folder below a root, with the names of its files; those with a dot are passed over.

    Links are followed where the writer would go through them: as deep as a preset's, task's and
    method's folders. A folder is met once, under its own name rather than a link's.
    """
    met, links = [], []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = (os.path.join(folder, name) for name in folders)  # noqa: PTH118  # see Store.paths
        links += [path for path in inner if os.path.islink(path)]  # noqa: PTH114
        met.append(folder)
        yield folder, names
    if links:
        yield from _linked(sorted(links), {_place(folder) for folder in met})


def _linked(
    links: Sequence[str], met: set[tuple[int, int] | None]
) -> Iterator[tuple[str, list[str]]]:
    """What links to folders add to those that were met."""
    for link in links:
        for folder, folders, names in os.walk(link, followlinks=True):
            place, depth = _place(folder), len(Path(folder).relative_to(link).parts)
            known = place in met
            met.add(place)
            deeper = not known and depth + 1 < _LINKED_DEPTH
            folders[:] = sorted(name for name in folders if deeper and not name.startswith("."))
            if not known:
                yield folder, names


def _place(folder: str) -> tuple[int, int] | None:
    """What a folder is, by whatever name; None where it is gone."""
    try:
        state = os.stat(folder)  # noqa: PTH116
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _by_run(names: Iterable[str]) -> Iterable[list[str]]:
    """The files of one folder, those together that are of one run by their names."""
    groups: dict[str, list[str]] = {}
    for name in names:
        # Most files are records, whose ending needs no pattern.
        run = name.removesuffix(".json") if _is_json(name) else _ENDINGS.sub("", name)
        groups.setdefault(run, []).append(name)
    return groups.values()


def _stamp(folder: str, name: str) -> str:
    """What changes with a file's content, even where its size and times are set back."""
    try:
        state = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118  # see Store.paths
    except OSError:
        return f"{name}:gone"
    return f"{name}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_ino}"


def read_others(
    folders: Sequence[Path | str], ending: str, read: Callable[[Path], T]
) -> tuple[list[tuple[Path, T]], list[Broken]]:
    """The records of another kind below several folders, and the files that are none.

    Args:
        folders: Results folders; they may hold no such record.
        ending: How the names of such files end.
        read: Reads one.

    Raises:
        RequestError: If a folder does not exist.
    """
    found: list[tuple[Path, T]] = []
    broken: list[Broken] = []
    for folder in dict.fromkeys(Path(folder) for folder in folders):
        if not folder.is_dir():
            raise RequestError(f"results folder {str(folder)!r} does not exist")
        for path in json_files(folder):
            if path.name.endswith(ending):
                try:
                    found.append((path, read(path)))
                except RecordError as error:
                    broken.append(Broken(path, str(error).removeprefix(f"{path}: ")))
    return found, broken


def without_runs(folder: Path | str, others: Iterable[Path]) -> bool:
    """Whether a folder holds records of other kinds and nothing that should be a run's.

    Args:
        folder: A results folder.
        others: Files of the other kinds, in whatever folder.
    """
    return any(path.is_relative_to(folder) for path in others) and not Store(Path(folder)).paths()


def read_file(path: Path) -> Found | Broken | None:
    """What a file is; None if it is gone, for its run is just being written anew."""
    try:
        return Found(path, read_record(path))
    except RecordError as error:
        there = os.path.lexists(path) or is_foreign(path)
        return Broken(path, str(error).removeprefix(f"{path}: ")) if there else None


# -------------------------------------------------------------------------- folders


def read_folders(folders: Sequence[Path | str]) -> tuple[list[Found], list[Broken]]:
    """The valid records of several folders, one for each run, and the files that are none.

    Where two folders hold the same run, a finished one stands over a failed one, and of two
    with equal results the first stands.

    Raises:
        RequestError: If no folder is given, or one does not exist or holds no JSON file.
        RecordError: If two folders hold the same run with different results.
    """
    if not folders:
        raise RequestError("no results folder given")
    found: list[Found] = []
    broken: list[Broken] = []
    for folder in dict.fromkeys(Path(folder) for folder in folders):
        for item in _read_folder(folder):
            if isinstance(item, Broken):
                broken.append(item)
            else:
                found.append(item)
    if not found:
        path, reason = broken[0]
        raise RecordError(f"none of {len(broken)} files is a valid record; {path}: {reason}")
    kept, conflicts = unite(found)
    if conflicts:
        pairs = "\n  ".join(f"{one.path} and {other.path}" for one, other in conflicts)
        raise RecordError(f"same run, different results; remove one file of each pair:\n  {pairs}")
    return kept, broken


def unite(found: Iterable[Found]) -> tuple[list[Found], list[tuple[Found, Found]]]:
    """One record for each run, and the pairs of one run that disagree about its results.

    A finished run stands over a failed one, and of two with equal results the first stands.
    """
    known: dict[str, Found] = {}
    conflicts: list[tuple[Found, Found]] = []
    for item in found:
        earlier = known.setdefault(item.record.identity, item)
        if _conflict(earlier, item):
            conflicts.append((earlier, item))
        elif earlier.record.status != "ok" and item.record.status == "ok":
            known[item.record.identity] = item
    return list(known.values()), conflicts


def load_results(*folders: Path | str) -> pd.DataFrame:
    """The records of one or more results folders, one row a run, failures included.

    Reading is safe while a run goes on. Files that are no valid records are passed over
    here; :meth:`Store.broken` and ``crossbench report`` name them.

    Returns:
        The columns of :func:`crossbench.results.records.frame.to_frame`.

    Raises:
        RequestError: If a folder does not exist or holds no record.
        RecordError: If two folders hold the same run with different results.
    """
    return read_frame(folders)[0]


def read_frame(folders: Sequence[Path | str]) -> tuple[pd.DataFrame, list[Broken]]:
    """:func:`read_folders` as a table, kept in the cache where pyarrow is installed."""
    from crossbench.results.records.frame import to_frame

    with contextlib.suppress(ModuleNotFoundError):
        from crossbench.results.records.cache import read_cached

        records = read_cached([Path(folder) for folder in folders])
        if records.whole:
            return records.frame, list(records.broken)
    found, broken = read_folders(folders)  # says what is wrong
    return to_frame(found), broken


def _read_folder(folder: Path) -> list[Found | Broken]:
    if not folder.is_dir():
        raise RequestError(f"results folder {str(folder)!r} does not exist")
    items = list(Store(folder).scan())
    if not items:
        msg = f"results folder {str(folder)!r} holds no records; `crossbench run` writes them"
        raise RequestError(msg)
    return items


def _conflict(one: Found, other: Found) -> bool:
    """Whether two finished records of one run disagree about its results."""
    if one is other or one.record.status != "ok" or other.record.status != "ok":
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


def file_name(text: str) -> str:
    """``text`` as part of a path: no separators, no leading dot, never empty or too long."""
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", text)[:_LONGEST_NAME].strip(".-") or "_"
