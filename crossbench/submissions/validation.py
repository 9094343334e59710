"""Validation of bundles: what holds, what does not, and what could not be told.

Nothing of a bundle is imported or run. Damage, and a careless change, show in hashes. A forger who
makes every hash anew is left with what contradicts the predictions, the task's data, or what runs
leave behind; predictions that were made up, and fit all of these, show only when runs are made
again (:mod:`crossbench.submissions.verification`).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from crossbench.errors import BundleError, RequestError
from crossbench.files.hashing import hash_file
from crossbench.registry.tracks import track_runs
from crossbench.results.bundles.bundle import Bundle, file_faults, unpacked
from crossbench.results.bundles.conformance import bundled_report
from crossbench.results.bundles.manifest import CONFORMANCE, LICENCE, RECORDS
from crossbench.results.records.method_origin import MethodOrigin
from crossbench.results.records.store import Store
from crossbench.results.records.validation import validate
from crossbench.submissions.grid import holes, labelled, strangers
from crossbench.submissions.mixtures import mixtures
from crossbench.submissions.recomputation import recompute

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from crossbench.results.records.store import FoundRun
    from crossbench.results.records.validation import Track, Validated
    from crossbench.specs import RunKey
    from crossbench.submissions.recomputation import Recomputed


class Finding(NamedTuple):
    """Something that does not hold.

    Attributes:
        where: The file in the bundle; the bundle itself where it is of no one file.
        what: What does not hold, in words.
    """

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


class Verdict(NamedTuple):
    """Result of :func:`validate_bundle`.

    Attributes:
        findings: What does not hold.
        notes: What a reader should know, and what could not be told here.
        records: Number of records.
        held: Number of these that were held against their task's data.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()
    records: int = 0
    held: int = 0

    @property
    def ok(self) -> bool:
        """Whether all holds that could be told."""
        return not self.findings

    def __str__(self) -> str:
        told = f"{self.records} records, {self.held} of them held against their task's data"
        if self.ok:
            return f"all holds: {told}"
        return f"{len(self.findings)} findings: {told}"


def validate_bundle(path: Path, data_dir: str | Path | None = None) -> Verdict:
    """Check a bundle: layout, hashes, records, completeness, source, and data where it is here.

    Args:
        path: The bundle, or the folder that it was unpacked to.
        data_dir: Where downloaded data lies; None asks ``$CROSSBENCH_DATA``.

    Raises:
        RequestError: If there is no such file, or no such data folder.
    """
    if not path.exists():
        raise RequestError(f"bundle {str(path)!r} does not exist; correct the path")
    try:
        with unpacked(path) as bundle:
            return _verdict(bundle, path, data_dir)
    except BundleError as error:
        told = str(error).removeprefix(f"{path}: ").removeprefix(f"{path} ")
        return Verdict((Finding(path.name, told),))


def _verdict(bundle: Bundle, path: Path, data_dir: str | Path | None) -> Verdict:
    faults = [Finding(path.name, fault) for fault in file_faults(bundle)]
    if faults:  # what is not what it says is not looked at
        return Verdict(tuple(faults))
    found, findings = _records(bundle)
    held = recompute([item for item in found if item.record.sealed], data_dir)
    findings += [
        *(Finding(_place(bundle, file), what) for file, what in held.findings),
        *_layout(bundle, found),
        *_method(bundle, found),
        *(Finding(path.name, what) for what in _whole(bundle, found)),
        *_about(bundle),
    ]
    notes = [*held.notes, *_notes(bundle, found)]
    unique = tuple(sorted(dict.fromkeys(findings)))
    return Verdict(unique, tuple(notes), len(Store(bundle.records).files()), held.held)


def _place(bundle: Bundle, file: Path) -> str:
    return file.relative_to(bundle.folder).as_posix()


def validate_results(
    folder: Path, data_dir: str | Path | None = None, track: Track = lambda paths: paths
) -> tuple[Validated, Recomputed]:
    """Check the records of a results folder, and hold them against data where it is here.

    Args:
        folder: A results folder, or part of one.
        data_dir: As for :func:`validate_bundle`.
        track: As for :func:`crossbench.results.records.validation.validate`.

    Returns:
        What the records say of themselves and of each other, and what the data says of those that
        are valid.

    Raises:
        RequestError: If a folder does not exist or holds no record.
    """
    done = validate(folder, track)
    return done, recompute([item for item in done.found if item.record.sealed], data_dir)


# -------------------------------------------------------------------------------- records


def _records(bundle: Bundle) -> tuple[list[FoundRun], list[Finding]]:
    """Valid records, and what of records does not hold against predictions and other records."""
    try:
        done = validate(bundle.records)
    except RequestError:
        return [], [Finding(RECORDS, "there is no record")]
    findings = [
        Finding(_place(bundle, file), what.replace(f"{bundle.folder}/", ""))
        for file, what in done.findings
    ]
    return done.found, findings


def _layout(bundle: Bundle, found: Sequence[FoundRun]) -> Iterator[Finding]:
    """Whether the records' files are those that bundled runs leave, under their own names."""
    store, known = Store(bundle.records), set()
    for path, record in found:
        known |= {path, path.with_name(record.predictions or path.name)}
        if path != store.path_of(record.key, record.identity):
            yield Finding(_place(bundle, path), "it is not called as a record of its run is")
        if not record.sealed:
            yield Finding(_place(bundle, path), "it is of schema 1 and has no seal")
        if record.status == "ok" and not record.timings:
            yield Finding(_place(bundle, path), "it tells no times")
        if record.weights or record.diagnostics:
            yield Finding(_place(bundle, path), "it names weights or diagnostics")
    named = set(store.files())
    for path in sorted(each for each in bundle.records.rglob("*") if each.is_file()):
        if path not in known | named:
            yield Finding(_place(bundle, path), "no record names it")


# ----------------------------------------------------------------------------- the method


def _method(bundle: Bundle, found: Sequence[FoundRun]) -> Iterator[Finding]:
    """Whether the networks' records are of the method and of the source that are bundled."""
    method = bundle.manifest.method
    files = {label: hash_file(bundle.source / place) for label, place in method.sources.items()}
    for path, record in found:
        if record.key.plain:
            continue
        where, origin = _place(bundle, path), MethodOrigin.of(record)
        if record.key.method != method.name:
            yield Finding(where, f"its method is {record.key.method!r}, not {method.name!r}")
        if origin.sha256 != method.sha256:
            yield Finding(where, "it is of another state of the method's code than its manifest")
        if origin.files != files:
            yield Finding(where, "the files of its method are not those that are bundled")


def _about(bundle: Bundle) -> Iterator[Finding]:
    """Whether licence, environment and conformance report can be read, and are of this method."""
    if not bundle.licence.strip():
        yield Finding(LICENCE, "it is empty")
    method = bundle.manifest.method
    try:
        _ = bundle.environment
        report = bundled_report(bundle)
    except BundleError as error:
        yield Finding(method.name, str(error))
        return
    if report is not None and (report.method, report.sha256) != (method.name, method.sha256):
        yield Finding(CONFORMANCE, "it is of another method, or another state of its code")


# ---------------------------------------------------------------------------------- whole


def _whole(bundle: Bundle, found: Sequence[FoundRun]) -> Iterator[str]:
    """Whether the records are of one kind, and all of a grid that is said to be whole."""
    records = [item.record for item in found]
    yield from mixtures(records)
    if any(record.key.preset != bundle.manifest.preset for record in records):
        yield f"its records are not of the preset {bundle.manifest.preset!r} that it names"
    if not any(not record.key.plain for record in records):
        yield "there is no run of its method"
        return
    asked = _asked(bundle)
    yield from strangers(records, asked) if asked is not None else ()
    missing = holes(records, asked)
    if missing and not bundle.manifest.partial:
        yield f"{len(missing)} runs are missing and it does not say so, such as {missing[0]}"


def _asked(bundle: Bundle) -> tuple[RunKey, ...] | None:
    """The runs of the track that a bundle names, where that is known here."""
    track, method = labelled(bundle.manifest.track), bundle.manifest.method
    return None if track is None else track_runs(track, method.name, method.inputs)


def _notes(bundle: Bundle, found: Sequence[FoundRun]) -> Iterator[str]:
    own = [item.record for item in found if not item.record.key.plain]
    failed = sum(record.status != "ok" for record in own)
    if failed:
        yield f"{failed} of {len(own)} runs failed"
    if bundle.manifest.partial:
        missing = holes([item.record for item in found], _asked(bundle))
        yield f"partial: {len(missing)} runs of the grid are missing"
    if bundle.manifest.track and labelled(bundle.manifest.track) is None:
        yield f"its track {bundle.manifest.track!r} is none that is known here"
    with suppress(BundleError):  # a finding
        report = bundled_report(bundle)
        told = "there is no report" if report is None else report.verdict
        yield f"conformance: {told}"
