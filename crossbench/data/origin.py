"""How a data file was made, as records of runs on it say: no path, file or patient among it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from crossbench.files.hashing import hash_json

if TYPE_CHECKING:
    from pathlib import Path

    from crossbench.data.imported import ImportFacts, JoinedGroups

# A user's file may be named after a person, with blanks in it: what goes before it is dropped too.
_FILE = re.compile(r".*\.(?:csv|tsv|txt|xlsx?|json|npz)\b", re.IGNORECASE | re.DOTALL)
_TABLE = "a table"


def origin_facts(
    file: Path, made: ImportFacts | None, joined: JoinedGroups | None
) -> dict[str, Any]:
    """What records say of a data file beyond its content hash; nothing of a published one.

    Args:
        file: The data file; an imported one is named by the first 16 digits of its content hash.
        made: How it was imported, where it was.
        joined: Groups that were joined to it, where some were.

    Returns:
        Of an import ``version``, ``importer``, ``origin``, ``options``, ``changed``, ``samples``,
        ``dropped`` (their number) and ``any_count``; where groups were joined afterwards,
        ``groups`` with ``from`` and ``sha256``.
    """
    facts: dict[str, Any] = {}
    if made is not None:
        facts = {
            "version": file.stem,
            "importer": made.importer,
            "origin": made.origin,
            "options": {
                name: _plain(_shown(value) if name in made.changed else value)
                for name, value in made.options.items()
            },
            "changed": list(made.changed),
            "samples": made.samples,
            "dropped": len(made.dropped),
            "any_count": made.any_count,
        }
    if joined is not None:
        facts["groups"] = {"from": _source(joined.source), "sha256": joined.digest}
    return facts


def _source(words: str) -> str:
    """Where groups are from, without the name of a file."""
    words = _FILE.sub(_TABLE, words)
    return _TABLE if re.search(r"[/\\]", words) else words


def _shown(value: Any) -> Any:
    """An option that a user set: text, which may name a file or a patient, by its hash."""
    if isinstance(value, str):
        return f"sha256 {hash_json(value)[:16]}" if value else value
    return [_shown(each) for each in value] if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    """An option as a record can hold it: numbers finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value
