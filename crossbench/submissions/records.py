"""Records as they go into a bundle: without weights, and without traces of their machine."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.errors import BundleError
from crossbench.results.bundles.manifest import RECORDS
from crossbench.results.records.reading import beside
from crossbench.results.records.store import Store
from crossbench.results.records.writing import ENDINGS, NO_FILES, sealed_json
from crossbench.submissions.traces import trace_in, without_traces

if TYPE_CHECKING:
    from crossbench.results.records.store import FoundRun
    from crossbench.specs import RunRecord

# What the identity of a run is made of cannot be changed without making it another run's.
_IDENTIFYING = ("hashes", "facts", "settings", "split", "max_samples", "statistics")


def record_files(item: FoundRun) -> dict[str, bytes]:
    """A record and its predictions by their places in a bundle.

    Its texts lose the traces of the machine, its seal is made anew, and its identity stays. Weights
    and diagnostics stay at home.

    Raises:
        BundleError: If what the identity is made of names the machine.
    """
    path, record = item
    place = Store(Path(RECORDS)).path_of(record.key, record.identity)
    files = _predictions(path, record, place)
    named = NO_FILES
    if files:
        named = named | {"predictions": next(iter(files))}
        named |= {"predictions_sha256": record.predictions_sha256}
    kept = dataclasses.replace(
        record,
        undefined=without_traces(record.undefined),
        warnings=without_traces(record.warnings),
        error=without_traces(record.error),
        provenance=_provenance(record, path),
        **named,
    )
    beside_it = {place.with_name(name).as_posix(): content for name, content in files.items()}
    return {place.as_posix(): sealed_json(kept), **beside_it}


def _predictions(path: Path, record: RunRecord, place: Path) -> dict[str, bytes]:
    """The predictions' file under the name that a run gives it; none of a run that failed."""
    if record.predictions is None:
        return {}
    name = f"{place.stem}.{str(record.predictions_sha256)[:16]}{ENDINGS['predictions']}"
    return {name: beside(path, record.predictions, "predictions").read_bytes()}


def _provenance(record: RunRecord, path: Path) -> dict[str, Any]:
    known = record.provenance
    identifying = {key: known[key] for key in _IDENTIFYING if key in known}
    if trace := trace_in(json.dumps(identifying, ensure_ascii=False)):
        msg = f"{path}: what identifies the run names this machine ({trace!r})"
        raise BundleError(f"{msg}; have the method take no absolute path, and run it again")
    cleaned: dict[str, Any] = without_traces(known)
    return cleaned | identifying
