"""Manifests: what a bundle holds, by names, sizes and hashes.

A manifest is sealed as records are: its digest is the hash of all its other fields, so that a
damaged one is told from a whole one. Whoever means to deceive can seal it anew; what is held
against such a forger is in :mod:`crossbench.submissions.validation`.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from crossbench.errors import BundleError, CardError
from crossbench.files.hashing import hash_json
from crossbench.results.records.reading import parse_json
from crossbench.specs.method_metadata import MethodMetadata
from crossbench.specs.reader import from_mapping, to_mapping

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA_VERSION = 1
MANIFEST = "manifest.json"
LICENCE = "LICENSE"
ENVIRONMENT = "environment.json"
CONFORMANCE = "conformance.json"
RECORDS = "records"
SOURCE = "source"

#: Bytes of the largest manifest: one line for each of 100,000 files has about 20 MB.
MAX_MANIFEST = 64 * 2**20

_LONGEST_LINE = 200
_LONGEST_NOTE = 5000
_REQUIRED = (LICENCE, ENVIRONMENT)
_SINGLE = (*_REQUIRED, CONFORMANCE)
_FOLDERS = (RECORDS, SOURCE)


@dataclass(frozen=True, kw_only=True)
class BundledFile:
    """A file of a bundle.

    Attributes:
        path: Its place in the bundle, parts separated by ``/``.
        size: Bytes.
        sha256: Of its bytes.
    """

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class BundledMethod:
    """The method that a bundle submits, and how its source is run.

    Attributes:
        name: As records name it, hyperparameters included.
        sha256: Of its identity, as in the records.
        sources: The files of its identity: their places below ``source/`` by their labels.
        plugin: The plugin file among them, with its attribute (``plugin/mine.py:method``); empty
            where an installed package registers the method.
        target: ``module:attribute`` that such a package registers; empty for a plugin file.
        distribution: Name of such a package.
        version: Its version.
        inputs: The kinds of input that it takes.
    """

    name: str
    sha256: str
    sources: dict[str, str]
    plugin: str = ""
    target: str = ""
    distribution: str = ""
    version: str = ""
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Content of a bundle, and its authors.

    Attributes:
        method: What is submitted.
        authors: Who submits it.
        licence: SPDX identifier of the source's licence, or ``see LICENSE``.
        crossbench: Version that wrote the bundle.
        preset: Preset of every record.
        track: The track that was run, with its version; empty for none.
        partial: Whether runs of the grid are missing.
        note: Words of the authors.
        files: Every file but the manifest, by path.
        schema_version: Version of this layout.
        digest: SHA-256 over all other fields as canonical JSON.
    """

    method: BundledMethod
    authors: tuple[str, ...]
    licence: str
    crossbench: str
    preset: str
    track: str = ""
    partial: bool = False
    note: str = ""
    files: tuple[BundledFile, ...] = field(default_factory=tuple)
    schema_version: int = SCHEMA_VERSION
    digest: str = ""

    @property
    def paths(self) -> tuple[str, ...]:
        """Places of the files."""
        return tuple(file.path for file in self.files)


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the digest of its content."""
    return dataclasses.replace(manifest, digest=_digest(to_mapping(manifest)))


def to_bytes(manifest: Manifest) -> bytes:
    """The manifest's file."""
    return json.dumps(to_mapping(manifest), indent=1, sort_keys=True).encode() + b"\n"


def from_bytes(content: bytes, *, where: str) -> Manifest:
    """Read a manifest strictly.

    Args:
        content: The file.
        where: The bundle, for messages.

    Raises:
        BundleError: If it is no manifest of a known schema version, its seal does not hold, or it
            names what no bundle holds.
    """
    mapping = _mapping(content, where)
    found = mapping.get("schema_version")
    if type(found) is not int or found != SCHEMA_VERSION:
        msg = f"{where}: schema version {found!r} of its manifest is unknown"
        raise BundleError(f"{msg}; this crossbench reads {SCHEMA_VERSION}")
    if mapping.get("digest") != _digest(mapping):
        msg = f"{where}: the digest of its manifest is not that of its content"
        raise BundleError(f"{msg}; it was changed after it was written, get the bundle again")
    try:
        manifest = from_mapping(Manifest, mapping, where=f"{where}: {MANIFEST}")
    except CardError as error:
        raise BundleError(str(error)) from error
    for fault in _faults(manifest):
        raise BundleError(f"{where}: its manifest {fault}; get the bundle again")
    return manifest


def _mapping(content: bytes, where: str) -> dict[str, Any]:
    try:
        value = parse_json(content)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: its manifest is not readable as JSON: {error}") from error
    if not isinstance(value, dict):
        raise BundleError(f"{where}: its manifest holds {type(value).__name__}, not an object")
    return value


def _digest(mapping: dict[str, Any]) -> str:
    return hash_json({key: value for key, value in mapping.items() if key != "digest"})


def _faults(manifest: Manifest) -> Iterable[str]:
    """Contradictions to a bundle's layout, as facts about the manifest."""
    paths = manifest.paths
    twice = (path for path, count in Counter(paths).items() if count > 1)
    yield from (f"names {path!r} twice" for path in twice)
    yield from (f"names {path!r}, which no bundle holds" for path in paths if not _belongs(path))
    yield from (f"lacks {name!r}" for name in _REQUIRED if name not in paths)
    yield from _texts(manifest)
    method = manifest.method
    named = sorted(f"{SOURCE}/{path}" for path in method.sources.values())
    if named != sorted(path for path in paths if path.startswith(f"{SOURCE}/")):
        yield "names other files of source than its method has"
    if not method.sources:
        yield "names no source of its method"
    if bool(method.plugin) == bool(method.target):
        yield "must name either a plugin file or a target, and not both"
    if method.plugin and method.plugin.rpartition(":")[0] not in method.sources.values():
        yield f"names the plugin {method.plugin!r}, which is none of its source"


def _texts(manifest: Manifest) -> Iterable[str]:
    """Texts that no terminal and no table should be given."""
    method = manifest.method
    lines = {
        "licence": manifest.licence,
        "crossbench": manifest.crossbench,
        "preset": manifest.preset,
        "track": manifest.track,
        "method.name": method.name,
        "method.plugin": method.plugin,
        "method.target": method.target,
        "method.distribution": method.distribution,
        "method.version": method.version,
    }
    for key, text in lines.items():
        if not text.isprintable() or len(text) > _LONGEST_LINE:
            yield f"has the {key} {text[:_LONGEST_LINE]!r}, which is no printable line"
    if len(manifest.note) > _LONGEST_NOTE or not manifest.note.replace("\n", "").isprintable():
        yield f"has a note that is longer than {_LONGEST_NOTE} characters or not printable"
    try:
        authors = MethodMetadata.read({"authors": manifest.authors}, where="it").authors
    except CardError as error:
        yield f"has no proper authors: {error}"
    else:
        yield from () if authors else ("names no authors",)


def _belongs(path: str) -> bool:
    """Whether a path is one that a bundle may hold, below its folder whatever the system."""
    pure = PurePosixPath(path)
    plain = str(pure) == path and not pure.is_absolute() and ".." not in pure.parts
    named = path.isprintable() and "\\" not in path and ":" not in path
    folder = len(pure.parts) > 1 and pure.parts[0] in _FOLDERS
    return plain and named and (folder or path in _SINGLE)
