"""Origins of methods as records tell them: package or file, authors, values and sources.

Other people's records are read, of every version: what is missing or not of the expected form is
empty. All of it is still a stranger's text, which whoever shows it has to escape.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossbench.errors.foreign import clean
from crossbench.results.records.identity import table_of
from crossbench.specs.method_metadata import MethodMetadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crossbench.specs import RunRecord

_LONGEST = 200
_LONGEST_SUMMARY = 500
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class MethodOrigin:
    """The method of a record: what made it, who did, and what it was built with.

    Attributes:
        distribution: Package that registers it, ``"plugin file"``, or how else it came in; empty
            where the record does not say, as for plain baselines.
        version: Version of that package.
        file: Name of the plugin file.
        commit: Commit of the checkout that its files lay in.
        dirty: Whether they differed from that commit.
        metadata: Authors, paper, address and licence.
        summary: First paragraph of its docstring.
        config: The values it was built with, by name.
        files: SHA-256 of each file that its identity covers, by place.
        sha256: Its identity.
    """

    distribution: str = ""
    version: str = ""
    file: str = ""
    commit: str = ""
    dirty: bool = False
    metadata: MethodMetadata = field(default_factory=MethodMetadata)
    summary: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    sha256: str = ""

    @classmethod
    def of(cls, record: RunRecord) -> MethodOrigin:
        """The origin of a run's method."""
        provenance = record.provenance
        origin = table_of(provenance, "method")
        git = table_of(origin, "git")
        facts = table_of(table_of(provenance, "facts"), "method")
        return cls(
            distribution=_line(origin, "distribution"),
            version=_line(origin, "version"),
            file=_line(origin, "file"),
            commit=_matching(_COMMIT, git.get("commit")),
            dirty=git.get("dirty") is True,
            metadata=MethodMetadata.tolerant(origin.get("metadata")),
            summary=_line(origin, "summary", _LONGEST_SUMMARY),
            config=dict(table_of(facts, "config")),
            files=_files(facts.get("files")),
            sha256=_matching(_SHA256, table_of(provenance, "hashes").get("method")),
        )


def _line(mapping: Mapping[str, Any], key: str, longest: int = _LONGEST) -> str:
    """A text as one line of bounded length, without control characters."""
    value = mapping.get(key)
    return clean(" ".join(value.split()), longest) if isinstance(value, str) else ""


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    return value if isinstance(value, str) and pattern.fullmatch(value) else ""


def _files(listed: Any) -> dict[str, str]:
    """Digests by place; none where the list is not one of pairs of these."""
    pairs = listed if isinstance(listed, list) else []
    whole = all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(each, str) for each in pair)
        for pair in pairs
    )
    if not whole or not all(_SHA256.fullmatch(sha256) for _, sha256 in pairs):
        return {}
    return dict(pairs)
