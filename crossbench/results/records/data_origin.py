"""Imports that records were made on: in words, and which of them are still wanted."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from crossbench.results.records.identity import table_of
from crossbench.results.records.store import Store
from crossbench.specs.cross import task_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from crossbench.specs import RunRecord

_VERSION = re.compile(r"[0-9a-f]{16}")
_FEW = 6  # options that are said in words


def import_version(record: RunRecord) -> str:
    """The version of the import that a record was made on; empty where it was no import.

    Where networks were fitted on another task, that of the tested one.
    """
    return _version(table_of(record.provenance, "data"))


def _version(about: Mapping[str, Any]) -> str:
    version = about.get("version")
    return version if isinstance(version, str) and _VERSION.fullmatch(version) else ""


def origin_in_words(provenance: Mapping[str, Any]) -> str:
    """Import and groups of a run's data, in words; empty where there are none.

    Other people's records are read: what is not of the expected type is not said.
    """
    about = table_of(provenance, "data")
    parts = [_import_in_words(about)] if about.get("importer") else []
    groups = about.get("groups")
    if isinstance(groups, dict):
        parts.append(f"groups joined from {groups.get('from')}")
    if fitted := table_of(about, "fitted_on"):
        parts.append(f"fitted on data {origin_in_words({'data': fitted})}")
    return "; ".join(parts)


def _import_in_words(about: Mapping[str, Any]) -> str:
    origin = f"origin {about['origin']}, " if about.get("origin") else ""
    said = f"imported as {about.get('version')} ({origin}importer {about['importer']}"
    options, changed = about.get("options"), about.get("changed")
    if isinstance(options, dict) and isinstance(changed, list):
        values = [f"{name} = {options.get(str(name))}" for name in changed[:_FEW]]
        values += ["..."] * (len(changed) > _FEW)
        said += "".join(f", {value}" for value in values)
    if about.get("dropped"):
        said += f", {about['dropped']} samples left out"
    return f"{said}{', of another number than the card says' * bool(about.get('any_count'))})"


def pinned_versions(folders: Iterable[Path]) -> dict[tuple[str, str], int]:
    """Number of records pinned to each import, by task and version.

    A version is the name of the file in the data root: ``imported/TASK/VERSION.npz``. A folder
    that is not there or holds no record pins nothing.
    """
    pins: Counter[tuple[str, str]] = Counter()
    for folder in folders:
        for record in Store(folder).records():
            about = table_of(record.provenance, "data")
            parts = about, table_of(about, "fitted_on")
            for name, part in zip(task_names(record.key.task), parts, strict=False):
                if version := _version(part):
                    pins[name, version] += 1
    return dict(pins)
