"""Reports of conformance checks, one JSON file a method and state of its code.

The files are::

    <root>/conformance/<method>-<identity[:8]>.conformance.json

Checking the same code again replaces the file.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from crossbench.errors import CardError, RecordError
from crossbench.files.atomic import place
from crossbench.results.records.folders import CONFORMANCE_ENDING, method_folder
from crossbench.results.records.kinds import find_files
from crossbench.results.records.reading import MAX_RECORD, parse_json, read_regular
from crossbench.specs.conformance import ConformanceReport

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from crossbench.results.records.kinds import Broken, Found


def report_path(root: Path, report: ConformanceReport) -> Path:
    """The file of a report in a results folder."""
    name = f"{method_folder(report.method)}-{report.sha256[:8]}{CONFORMANCE_ENDING}"
    return root / "conformance" / name


def write_report(root: Path, report: ConformanceReport) -> Path:
    """Write a report into a results folder, atomically; its file.

    Raises:
        RecordError: If the folder cannot be written.
    """
    path = report_path(root, report)
    try:
        place(path, (json.dumps(report.to_mapping(), indent=1) + "\n").encode())
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error}") from error
    return path


def find_reports(
    folders: Sequence[Path | str],
) -> tuple[list[Found[ConformanceReport]], list[Broken]]:
    """Reports below several folders, possibly none, and broken files.

    Raises:
        RequestError: If a folder does not exist.
    """
    return find_files(folders, CONFORMANCE_ENDING, read_report)


def read_report(path: Path) -> ConformanceReport:
    """The report in a file.

    Raises:
        RecordError: If it cannot be read or is none.
    """
    try:
        return parse_report(read_regular(path, MAX_RECORD), where=str(path))
    except OSError as error:
        raise RecordError(f"{path}: cannot be read: {error}") from error


def parse_report(content: bytes, *, where: str) -> ConformanceReport:
    """The report that a file's content is.

    Raises:
        RecordError: Naming ``where``, if it is none.
    """
    try:
        mapping = parse_json(content)
        if not isinstance(mapping, dict):
            raise RecordError(f"{where} holds {type(mapping).__name__}, not an object")
        return ConformanceReport.from_mapping(mapping, where=where)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where} is not readable as JSON: {error}") from error
    except CardError as error:
        raise RecordError(str(error)) from error
