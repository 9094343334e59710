"""Submissions: from a results folder to a bundle that others can check."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from crossbench.environment.provenance import package_versions
from crossbench.environment.state import importing
from crossbench.errors import BundleError, CardError
from crossbench.files.hashing import hash_json
from crossbench.registry.method_origin import declared_metadata
from crossbench.registry.methods import find_methods
from crossbench.registry.tracks import find_track
from crossbench.results.bundles.bundle import write_bundle
from crossbench.results.bundles.manifest import CONFORMANCE, ENVIRONMENT, LICENCE, SOURCE, Manifest
from crossbench.specs.method_metadata import MethodMetadata
from crossbench.submissions.grid import asked_by, holes
from crossbench.submissions.licences import choose_licence
from crossbench.submissions.records import record_files
from crossbench.submissions.selection import select_runs
from crossbench.submissions.source import gather_source
from crossbench.submissions.traces import trace_in, without_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from crossbench.methods import Method
    from crossbench.specs import RunKey, RunRecord
    from crossbench.specs.conformance import ConformanceReport
    from crossbench.submissions.licences import Licence
    from crossbench.submissions.selection import Selected
    from crossbench.submissions.source import Source

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class SubmitRequest:
    """Request for a bundle, as an author makes it.

    Attributes:
        folders: Results folders.
        method: Its name in the records, hyperparameters included.
        authors: Who submits.
        licence: SPDX expression of the source's licence; empty takes what the method declares.
        licence_file: The licence's text.
        plugins: Plugin files, one of which defines the method, as ``--plugin`` takes them.
        preset: The records' preset, where there are several.
        track: The track that was run.
        partial: Whether holes in the grid are allowed.
        note: Words for readers.
    """

    folders: tuple[Path, ...]
    method: str
    authors: tuple[str, ...]
    licence: str = ""
    licence_file: Path | None = None
    plugins: tuple[str, ...] = ()
    preset: str = ""
    track: str = ""
    partial: bool = False
    note: str = ""


class Submitted(NamedTuple):
    """Result of :func:`submit`.

    Attributes:
        manifest: Of the bundle that was written.
        selected: The records in it, and what was left out.
        missing: Runs of the grid that are not in it.
    """

    manifest: Manifest
    selected: Selected
    missing: list[RunKey]

    @property
    def failed(self) -> int:
        """Number of the method's runs that did not succeed."""
        return sum(item.record.status != "ok" for item in self.selected.own)


def submit(
    request: SubmitRequest,
    out: Path,
    report: Callable[[], ConformanceReport | None] = lambda: None,
) -> Submitted:
    """Write a bundle of a method's runs with its source.

    The method is loaded, which runs its code: its author's own.

    Args:
        request: What is bundled.
        out: The bundle, a ``.zip`` file.
        report: Gives the report of ``crossbench check-method``, if there is to be one; it is asked
            once nothing else is in the way.

    Raises:
        RequestError: If the method or the folder is not there.
        BundleError: If records are invalid, of other code than is bundled, or mixed; the grid has
            holes, and is not said to be partial; there is no source or licence; or a text that
            may not be changed names this machine.
    """
    if out.suffix != ".zip":
        raise BundleError(f"bundle {str(out)!r} must end in .zip; correct --out")
    method = _load(request)
    source, declared = gather_source(method, request.plugins), declared_metadata(method)
    authors = _authors(request.authors or declared.authors)
    licence = _licence(request, declared, authors, source)
    asked = asked_by(request.track, source.method)
    selected = select_runs(
        request.folders, source.method, _digests(source), preset=request.preset, asked=asked
    )
    missing = _missing(selected, asked, partial=request.partial)
    manifest = Manifest(
        method=source.method,
        authors=authors,
        licence=licence.name,
        crossbench=package_versions()["crossbench"],
        preset=selected.own[0].record.key.preset,
        track=find_track(request.track).label if request.track else "",
        partial=bool(missing),
        note=request.note,
    )
    written = write_bundle(out, manifest, _contents(selected, source, licence, report()))
    return Submitted(written, selected, missing)


def _load(request: SubmitRequest) -> Method:
    with importing(", ".join([request.method, *request.plugins])):
        (method,) = find_methods([request.method], request.plugins)
    return method


def _authors(names: Sequence[str]) -> tuple[str, ...]:
    """Authors in the form that methods declare them in."""
    if not names:
        raise BundleError("a bundle has authors: name them by --authors 'A. Author' 'B. Author'")
    try:
        return MethodMetadata.read({"authors": list(names)}, where="--authors").authors
    except CardError as error:
        raise BundleError(str(error)) from error


def _licence(
    request: SubmitRequest, declared: MethodMetadata, holders: Sequence[str], source: Source
) -> Licence:
    """The licence that is asked for; where none is, the one that the method declares."""
    named = request.licence or ("" if request.licence_file else declared.licence)
    package = source.method.distribution
    return choose_licence(named, request.licence_file, holders=holders, package=package)


def _digests(source: Source) -> dict[str, str]:
    """SHA-256 of the source's files by label."""
    return {
        label: hashlib.sha256(source.contents[f"{SOURCE}/{place}"]).hexdigest()
        for label, place in source.method.sources.items()
    }


def _missing(selected: Selected, asked: Sequence[RunKey] | None, *, partial: bool) -> list[RunKey]:
    missing = holes(selected.records, asked)
    if missing and not partial:
        shown = "; ".join(f"{key} ({key.protocol}, {key.init})" for key in missing[:_SHOWN])
        more = f"; and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        msg = f"{len(missing)} runs of the grid are missing: {shown}{more}"
        raise BundleError(f"{msg}; run them, or say --partial, which boards show")
    return missing


# ------------------------------------------------------------------------------- contents


def _contents(
    selected: Selected, source: Source, licence: Licence, report: ConformanceReport | None
) -> dict[str, bytes]:
    """Every file of the bundle but its manifest, by its place."""
    contents = {
        LICENCE: licence.text.encode(),
        ENVIRONMENT: _json(_environment(selected.records)),
        **_checked(source),
        **_conformance(report, source),
    }
    for item in selected.found:
        contents |= record_files(item)
    return contents


def _checked(source: Source) -> dict[str, bytes]:
    """The source, whose hashes allow no change, once no home folder is in it."""
    for place, content in source.contents.items():
        if trace := trace_in(content.decode("utf-8", "replace")):
            msg = f"{place.partition('/')[2]} names this machine ({trace!r})"
            raise BundleError(f"{msg}; remove that from the source, and run the method again")
    return source.contents


def _conformance(report: ConformanceReport | None, source: Source) -> dict[str, bytes]:
    if report is None:
        return {}
    if report.sha256 != source.method.sha256:
        msg = f"the conformance report is of another state of method {report.method!r}"
        raise BundleError(f"{msg} than would be bundled; run `crossbench check-method` again")
    return {CONFORMANCE: _json(without_traces(report.to_mapping()))}


def _environment(records: Iterable[RunRecord]) -> dict[str, Any]:
    """Versions here and now, and those of the runs with their machines, the most runs first."""
    found: dict[str, dict[str, Any]] = {}
    for record in records:
        kinds = ("versions", "hardware", "threads", "git")
        about = without_traces({kind: record.provenance.get(kind) for kind in kinds})
        entry = found.setdefault(hash_json(about), {**about, "runs": 0})
        entry["runs"] += 1
    ordered = sorted(found.values(), key=lambda entry: (-entry["runs"], json.dumps(entry)))
    return {"versions": package_versions(), "runs": ordered}


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"
