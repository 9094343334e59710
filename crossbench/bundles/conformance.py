"""Conformance reports, read from a file or from a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import BundleError, CardError, RecordError
from crossbench.results.records.reading import MAX_RECORD, parse_json, read_regular
from crossbench.specs.conformance import ConformanceReport

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.bundles.bundle import Bundle


def read_report(file: Path) -> ConformanceReport:
    """The report in a file that ``crossbench check-method --json`` wrote.

    Raises:
        BundleError: If it cannot be read or is none.
    """
    try:
        mapping = parse_json(read_regular(file, MAX_RECORD))
        if not isinstance(mapping, dict):
            raise BundleError(f"{file}: it holds {type(mapping).__name__}, not a report")
        return ConformanceReport.from_mapping(mapping, where=str(file))
    except (OSError, RecordError, CardError, ValueError, RecursionError) as error:
        msg = f"conformance report {str(file)!r} cannot be read: {error}"
        raise BundleError(f"{msg}; write one by `crossbench check-method NAME --json`") from error


def bundled_report(bundle: Bundle) -> ConformanceReport | None:
    """The report in a bundle; None where there is none.

    Raises:
        BundleError: If it cannot be read or is none.
    """
    mapping = bundle.conformance
    try:
        return None if mapping is None else ConformanceReport.from_mapping(mapping)
    except CardError as error:
        raise BundleError(str(error)) from error
