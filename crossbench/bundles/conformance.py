"""Conformance reports, read from a file or from a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.bundles.manifest import CONFORMANCE
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
        return parsed_report(read_regular(file, MAX_RECORD), where=str(file))
    except (OSError, RecordError, BundleError) as error:
        msg = f"conformance report {str(file)!r} cannot be read: {error}"
        raise BundleError(f"{msg}; write one by `crossbench check-method NAME --json`") from error


def bundled_report(bundle: Bundle) -> ConformanceReport | None:
    """The report in a bundle; None where there is none.

    Raises:
        BundleError: If it cannot be read or is none.
    """
    content = bundle.conformance
    return None if content is None else parsed_report(content, where=CONFORMANCE)


def parsed_report(content: bytes, *, where: str) -> ConformanceReport:
    """The report that a file's content is.

    Raises:
        BundleError: Naming ``where``, if it is none.
    """
    try:
        mapping = parse_json(content)
        if not isinstance(mapping, dict):
            raise BundleError(f"{where} holds {type(mapping).__name__}, not an object")
        return ConformanceReport.from_mapping(mapping, where=where)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where} is not readable as JSON: {error}") from error
    except CardError as error:
        raise BundleError(str(error)) from error
