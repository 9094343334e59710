"""Receipts of files: sizes and digests, so that files are read through only once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from crossbench.files.atomic import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """A file that was fetched, or found.

    Attributes:
        bytes: Its size.
        modified: Its time of modification in nanoseconds, which tells whether it changed.
        digests: Digests by algorithm; ``sha256`` is always among them.
        url: Where it came from; empty where it was found.
        revision: Commit of a repository that it came from; empty elsewhere.
        unpacked: Folder that it was unpacked into, relative to its own; empty where it was not.
    """

    bytes: int
    modified: int
    digests: dict[str, str] = field(default_factory=dict)
    url: str = ""
    revision: str = ""
    unpacked: str = ""

    def holds(self, file: Path) -> bool:
        """Whether a file is as it was."""
        try:
            found = file.stat()
        except OSError:
            return False
        return (found.st_size, found.st_mtime_ns) == (self.bytes, self.modified)


class Receipts:
    """The receipts of a task's origin, by the names of its files.

    Args:
        file: Where they are kept; it need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __getitem__(self, name: str) -> Receipt | None:
        """The receipt of a file; None where there is none, or it is unreadable."""
        try:
            return Receipt(**self._read()[name])
        except (KeyError, TypeError):
            return None

    def keep(self, name: str, receipt: Receipt) -> None:
        """Keep a receipt."""
        kept = self._read() | {name: asdict(receipt)}
        with replacing(self._file) as draft:
            draft.write_text(json.dumps(kept, indent=1, sort_keys=True), encoding="utf-8")

    def digests(self, name: str, file: Path, algorithms: Iterable[str] = ()) -> dict[str, str]:
        """Digests of a file, read only where it changed since its receipt."""
        receipt, wanted = self[name], {"sha256", *algorithms}
        if receipt is not None and receipt.holds(file) and wanted <= receipt.digests.keys():
            return receipt.digests
        digests, state = digests_of(file, wanted), file.stat()
        self.keep(name, Receipt(bytes=state.st_size, modified=state.st_mtime_ns, digests=digests))
        return digests

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return kept if isinstance(kept, dict) else {}


def difference(checksum: Mapping[str, str], digests: Mapping[str, str]) -> str:
    """Contradiction between a card's checksums and a file's digests; empty for none."""
    for algorithm, expected in checksum.items():
        if digests[algorithm] != expected.lower():
            return f"its {algorithm.upper()} is {digests[algorithm]}, but the card says {expected}"
    return ""


def digests_of(file: Path, algorithms: Iterable[str]) -> dict[str, str]:
    """Digests of a file by several algorithms, in one pass."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            for each in hashes.values():
                each.update(chunk)
    return {name: each.hexdigest() for name, each in hashes.items()}
