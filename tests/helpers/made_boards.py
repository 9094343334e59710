"""Bundles of hand-made runs with real predictions, for hosted boards."""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from made_bundles import CONTENTS, METHOD, make_bundle
from scored_runs import make_run

from crossbench.hosting.changes import Added, add_bundle
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crossbench.specs import RunRecord

FIRST, SECOND = "2026-11-01T10:00:00+00:00", "2026-11-02T11:00:00+00:00"
TASKS = ("nodule-malignancy-3d", "nodule-sphericity-3d")
PLAIN = "majority"
SOURCE = b'"""Repeat each kernel."""\n\nmethod = None  # <script>alert(1)</script>\n'


def submission(
    path: Path,
    method: str = "mine",
    *,
    authors: Sequence[str] = ("A. Author",),
    tasks: Sequence[str] = TASKS,
    skill: float = 1.0,
    contents: dict[str, bytes] | None = None,
    changes: dict[str, Any] | None = None,
    origin: dict[str, Any] | None = None,
    **manifest: Any,
) -> Path:
    """Write a bundle of a method's runs on some tasks, with those of the majority class.

    Args:
        path: The zip file.
        method: Name of the method.
        authors: Who submits it.
        tasks: Tasks in 3D, two runs each.
        skill: How well it tells classes apart.
        contents: Further files, or others than the usual ones.
        changes: Fields of the method's records by name.
        origin: What they tell of the method.
        **manifest: Fields of the manifest.
    """
    files = {name: value for name, value in CONTENTS.items() if not name.startswith("records/")}
    records = _records(method, tasks, skill, changes or {}, origin or {})
    make_bundle(
        path,
        files | {"source/plugin/mine.py": SOURCE} | records | (contents or {}),
        **{
            "method": dataclasses.replace(METHOD, name=method),
            "authors": tuple(authors),
            "preset": "standard",
        }
        | manifest,
    )
    return path


def accept(folder: Path, bundle: Path, when: str = FIRST, **options: bool) -> Added:
    """Add a bundle whose content nobody looks at."""
    return add_bundle(folder, bundle, faults=lambda _: (), when=when, **options)


def _records(
    method: str,
    tasks: Sequence[str],
    skill: float,
    changes: dict[str, Any],
    origin: dict[str, Any],
) -> dict[str, bytes]:
    """The files of a results folder by their places in a bundle."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        for task in tasks:
            for fold in range(2):
                record, predictions = run(method, task, fold, skill, **changes)
                told = record.provenance | {"method": origin}
                store.write(dataclasses.replace(record, provenance=told), predictions)
                store.write(*run(PLAIN, task, fold, skill))
        files = (path for path in Path(folder).rglob("*") if path.is_file())
        return {
            f"records/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files
        }


def run(method: str, task: str, fold: int, skill: float, **changes: Any) -> tuple[RunRecord, Any]:
    """A finished run in 3D, or one that failed where ``changes`` hold an error."""
    record, predictions = make_run(method, task, 43, fold, skill=skill, dimension=3)
    record = dataclasses.replace(record, **changes)
    return record, predictions if record.status == "ok" else None
