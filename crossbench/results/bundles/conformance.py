"""Conformance reports, read from a file or from a bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossbench.errors import BundleError, RecordError
from crossbench.results.bundles.manifest import CONFORMANCE
from crossbench.results.records import conformances

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.results.bundles.bundle import Bundle
    from crossbench.specs.conformance import ConformanceReport


def read_report(file: Path) -> ConformanceReport:
    """The report in a file that ``crossbench check-method`` wrote.

    Raises:
        BundleError: If it cannot be read or is none.
    """
    try:
        return conformances.read_report(file)
    except RecordError as error:
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
        return conformances.parse_report(content, where=where)
    except RecordError as error:
        raise BundleError(str(error)) from error
