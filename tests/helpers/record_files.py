"""The files of a record, found and tampered with."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from crossbench.results.records.identity import hash_provenance, record_digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def companion(path: Path, field: str = "predictions") -> Path:
    """The file beside a record that this field of it names."""
    name: str = json.loads(path.read_text())[field]
    return path.with_name(name)


def change_record(
    path: Path, change: Callable[[dict[str, Any]], Any], *, seal: bool = True
) -> None:
    """Change a record's file, and seal it anew, as one who knows how would do."""
    mapping = json.loads(path.read_text())
    change(mapping)
    if seal:
        with contextlib.suppress(ValueError):  # NaN, which no record holds
            plain = json.loads(json.dumps(mapping))
            mapping["digest"] = record_digest(plain, hash_provenance(plain.get("provenance")))
    path.write_text(json.dumps(mapping))


def unseal(path: Path) -> None:
    """Make a record one of schema 1, which had no seal."""
    mapping = json.loads(path.read_text()) | {"schema_version": 1}
    for key in ("digest", "diagnostics", "diagnostics_sha256", "partial"):
        del mapping[key]
    path.write_text(json.dumps(mapping))
