"""Folders of records: JSON files, their states, and valid file names."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from crossbench.results.records.reading import as_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: How the names of records of other kinds end, which share the folders of runs.
BENCH_ENDING, PRETRAIN_ENDING, CONFORMANCE_ENDING = OTHERS = (
    ".bench.json",
    ".pretrain.json",
    ".conformance.json",
)

# How names end after what is common to the files of one run.
_ENDINGS = re.compile(r"(\.[0-9a-f]{16})?(\.diagnostics)?\.(npz|safetensors)$")
_LINKED_DEPTH = 3  # of a preset, a task and a method
_LONGEST_NAME = 64
_LONGEST_CUT = _LONGEST_NAME - 9  # before a dash and eight digits
_HERE = os.path.join(os.curdir, "")  # noqa: PTH118  # a trailing separator

# Paths are strings here: of ten thousand records, Path takes longer than reading a kept table.


def json_files(root: Path) -> list[Path]:
    """Every JSON file below a folder; those that start with a dot are passed over."""
    names = (
        _path(folder, name) for folder, names in _walk(root) for name in names if _is_json(name)
    )
    return [Path(name) for name in sorted(names)]


def run_files(root: Path) -> list[Path]:
    """Every one of :func:`json_files` that should be a run's."""
    return [path for path in json_files(root) if not path.name.endswith(OTHERS)]


def run_states(root: Path) -> dict[str, str]:
    """States that change with a file of :func:`run_files` or one beside it."""
    return {
        _path(folder, name): as_text(" ".join(_stamp(folder, each) for each in sorted(group)))
        for folder, names in _walk(root)
        for group in _by_run(names)
        for name in group
        if _is_json(name) and not name.endswith(OTHERS)
    }


def file_name(text: str) -> str:
    """``text`` as a path component: no separators or leading dot, bounded length."""
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", text)[:_LONGEST_NAME].strip(".-") or "_"


def method_folder(name: str) -> str:
    """The folder of a method's records, its own however many hyperparameters its name has."""
    if len(name) <= _LONGEST_NAME:
        return file_name(name)
    return f"{file_name(name[:_LONGEST_CUT])}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _path(folder: str, name: str) -> str:
    """A file's path, written as ``str(Path(...))`` would."""
    return as_text(os.path.join(folder, name).removeprefix(_HERE))  # noqa: PTH118


def _is_json(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")


def _walk(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Folders below a root with their file names; hidden folders are skipped.

    Links are followed where the writer would go through them: as deep as a preset's, task's and
    method's folders. A folder is met once, under its own name rather than a link's.
    """
    met, links = [], []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inner = (os.path.join(folder, name) for name in folders)  # noqa: PTH118
        links += [path for path in inner if os.path.islink(path)]  # noqa: PTH114
        met.append(folder)
        yield folder, names
    if links:
        yield from _linked(sorted(links), {_place(folder) for folder in met})


def _linked(
    links: Sequence[str], met: set[tuple[int, int] | None]
) -> Iterator[tuple[str, list[str]]]:
    """Folders that symbolic links add to those already visited."""
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
    """Device and inode of a folder; None if it is gone."""
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
    """A state that changes with a file's content, even if size and mtime are reset."""
    try:
        state = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118
    except OSError:
        return f"{name}:gone"
    return f"{name}:{state.st_size}:{state.st_mtime_ns}:{state.st_ctime_ns}:{state.st_ino}"
