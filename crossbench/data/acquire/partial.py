"""A half-fetched file, and what is known of it, which outlive the process that fetched it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from crossbench.files.atomic import rename, replacing

if TYPE_CHECKING:
    from pathlib import Path

ENDING = ".part"
_FACTS = ".part.json"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Headers that a server sent of a file when its download began.

    Attributes:
        url: Address that was asked.
        etag: Strong validator; empty where the server gives none.
        modified: Date of the last change, as the server writes it; empty where it gives none.
        total: Size in bytes; None where the server does not say.
    """

    url: str
    etag: str = ""
    modified: str = ""
    total: int | None = None

    @property
    def validator(self) -> str:
        """Value of ``If-Range``; empty where the server gave nothing to compare by."""
        return self.etag or self.modified


@dataclass(frozen=True)
class Partial:
    """The hidden files ``.NAME.part`` and ``.NAME.part.json`` beside a file to be.

    Attributes:
        target: The file to be.
    """

    target: Path

    @property
    def file(self) -> Path:
        """The bytes so far."""
        return self.target.with_name(f".{self.target.name}{ENDING}")

    @property
    def size(self) -> int:
        """Number of bytes so far."""
        try:
            return self.file.stat().st_size
        except FileNotFoundError:
            return 0

    def recall(self) -> Facts | None:
        """Headers that were noted; None where nothing readable was."""
        try:
            return Facts(**json.loads(self._facts.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def note(self, facts: Facts) -> None:
        """Keep what a server said, before the first byte."""
        with replacing(self._facts) as draft:
            draft.write_text(json.dumps(asdict(facts)), encoding="utf-8")

    def discard(self) -> None:
        """Remove both files."""
        self.file.unlink(missing_ok=True)
        self._facts.unlink(missing_ok=True)

    def finish(self) -> None:
        """Make the whole file visible."""
        rename(self.file, self.target)
        self._facts.unlink(missing_ok=True)

    @property
    def _facts(self) -> Path:
        return self.target.with_name(f".{self.target.name}{_FACTS}")
