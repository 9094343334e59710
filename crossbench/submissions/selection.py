"""The records of a results folder that a bundle is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from crossbench.errors import BundleError, RecordError, unknown_name
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.store import read_folders
from crossbench.results.records.validation import check_results
from crossbench.submissions.grid import is_of_track
from crossbench.submissions.mixtures import division, mixtures

if TYPE_CHECKING:
    from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
    from pathlib import Path

    from crossbench.results.bundles.manifest import BundledMethod
    from crossbench.results.records.store import FoundRun
    from crossbench.specs import RunKey, RunRecord


class Selected(NamedTuple):
    """Records for a bundle.

    Attributes:
        own: Those of the method, failures included.
        plain: Those of the plain baselines on the same tasks and folds.
        notes: What was left out, in words.
    """

    own: list[FoundRun]
    plain: list[FoundRun]
    notes: list[str]

    @property
    def found(self) -> list[FoundRun]:
        """All of them."""
        return [*self.own, *self.plain]

    @property
    def records(self) -> list[RunRecord]:
        """All of them, without their files."""
        return [item.record for item in self.found]


def select_runs(
    folders: Sequence[Path],
    method: BundledMethod,
    files: Mapping[str, str],
    *,
    preset: str = "",
    asked: Collection[RunKey] | None = None,
) -> Selected:
    """The valid records of a method, whatever became of its runs, and of the plain baselines.

    Args:
        folders: Results folders.
        method: As the bundle will have it.
        files: SHA-256 of each file of its identity, by label.
        preset: The records' preset; empty where there are records of one alone.
        asked: The runs of a track, made without overrides; None takes every run.

    Raises:
        BundleError: If a file is no valid record or contradicts its predictions, or records are
            of another state of the code, of several presets, or of several versions of a task.
    """
    found = _read(folders)
    named = [item for item in found if item.record.key.method == method.name]
    if not named:
        raise unknown_name("method", method.name, _methods(found))
    named, outside = _of_track(named, asked)
    named = _of_preset(named, preset)
    own, notes = _of_this_code(named, method, files)
    plain = _beside(own, found)
    selected = Selected(own, plain, [*outside, *notes])
    for mixed in mixtures(selected.records):
        raise BundleError(f"{mixed}; submit a folder with records of one kind")
    for item in selected.found:
        _check(item)
    return selected


def _read(folders: Sequence[Path]) -> list[FoundRun]:
    found, broken = read_folders(folders)
    for path, reason in broken:
        msg = f"{len(broken)} files are no valid records, such as {path}: {reason}"
        raise BundleError(
            f"{msg}; run them again or remove them (`crossbench validate` lists them)"
        )
    return found


def _methods(found: Iterable[FoundRun]) -> set[str]:
    return {item.record.key.method for item in found if not item.record.key.plain}


def _of_track(
    named: list[FoundRun], asked: Collection[RunKey] | None
) -> tuple[list[FoundRun], list[str]]:
    """The records of a track's runs; what else there is stays out, and is said."""
    if asked is None:
        return named, []
    own = [item for item in named if is_of_track(item.record, asked)]
    if not own:
        raise BundleError(f"none of {len(named)} records is of a run of the track; run it first")
    left = len(named) - len(own)
    return own, [f"{left} records of no run of the track are left out"] if left else []


def _of_preset(named: list[FoundRun], preset: str) -> list[FoundRun]:
    presets = sorted({item.record.key.preset for item in named})
    if preset and preset not in presets:
        raise unknown_name("preset", preset, presets)
    if not preset and len(presets) > 1:
        msg = f"there are records of the presets {', '.join(presets)}; a bundle is of one"
        raise BundleError(f"{msg}: choose by --preset {presets[0]}")
    return [item for item in named if item.record.key.preset == (preset or presets[0])]


def _of_this_code(
    named: list[FoundRun], method: BundledMethod, files: Mapping[str, str]
) -> tuple[list[FoundRun], list[str]]:
    """The records of the bundled code; those of other code stay out where a run was run again."""
    own: list[FoundRun] = []
    others: list[FoundRun] = []
    for item in named:
        same = item.record.provenance["hashes"].get("method") == method.sha256
        (own if same else others).append(item)
    again = {item.record.key for item in own}
    for item in others:
        if item.record.key not in again:
            what = f"{len(others)} of {len(named)} records are of another state of its code"
            why = _difference(item.record, files)
            msg = f"method {method.name!r}: {what} than would be bundled ({why}), such as"
            raise BundleError(f"{msg} {item.path}; run them again")
    notes = f"{len(others)} records of other code are left out: their runs were made again"
    return own, [notes] if others else []


def _difference(record: RunRecord, files: Mapping[str, str]) -> str:
    """Which files have changed between a record and now."""
    then = MethodOrigin.of(record).files
    changed = sorted(label for label in then.keys() | files if then.get(label) != files.get(label))
    return f"{', '.join(changed)} changed" if changed else "it was built with other values"


def _beside(own: Sequence[FoundRun], found: Sequence[FoundRun]) -> list[FoundRun]:
    """The plain baselines on the data of a method's runs, divided as there."""
    kinds = {_data(item.record) for item in own}
    plain = (item for item in found if item.record.key.plain)
    return [item for item in plain if _data(item.record) in kinds]


def _data(record: RunRecord) -> tuple[Hashable, ...]:
    """Facts that two runs on one board share."""
    hashes = record.provenance["hashes"]
    parts = (hashes.get(name) for name in ("harness", "source", "data", "task"))
    return record.key.preset, record.key.task, *parts, division(record)


def _check(item: FoundRun) -> None:
    try:
        check_results(*item)
    except RecordError as error:
        raise BundleError(f"{item.path}: {error}; run it again") from error
    if not item.record.sealed:
        raise BundleError(f"{item.path}: it is of schema 1 and has no seal; run it again")
