"""The data root: where data files, originals, imports, groups and consents lie.

::

    DATA/
      vesselmnist3d_64.npz        a data file as its publisher names it
      originals/TASK/ORIGIN/      what was fetched for an importer, or put there by hand
      imported/TASK/VERSION.npz   data files that were imported, by the content they have
      imported/TASK/current       the version in use
      groups/TASK.npz             groups that were joined to a data file afterwards
      receipts/TASK/ORIGIN.json   sizes and digests of what was fetched
      accepted.json               terms that the user has accepted
      salt                        what identifiers of patients are hashed with
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossbench.files.atomic import replacing

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class DataRoot:
    """The layout of a data root; nothing is made by asking where it would lie.

    Attributes:
        root: The folder.
    """

    root: Path

    def published(self, task: str, file: str) -> tuple[Path, ...]:
        """Places of a published data file, in the order in which it is looked for.

        Args:
            task: The task.
            file: The publisher's name for it, which may be empty.
        """
        names = dict.fromkeys(name for name in (file, f"{task}.npz") if name)
        return tuple(self.root / name for name in names)

    def originals(self, task: str, origin: str) -> Path:
        """The folder of an original distribution."""
        return self.root / "originals" / task / origin

    def receipts(self, task: str, origin: str) -> Path:
        """The file of what was fetched of an origin."""
        return self.root / "receipts" / task / f"{origin}.json"

    def imports(self, task: str) -> Path:
        """The folder of a task's imported data files."""
        return self.root / "imported" / task

    def version(self, task: str, content: str) -> Path:
        """The imported data file of a content hash."""
        return self.imports(task) / f"{content[:16]}.npz"

    def current(self, task: str) -> Path | None:
        """The imported data file in use; None where nothing was imported."""
        try:
            version = (self.imports(task) / "current").read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return self.version(task, version) if _VERSION.fullmatch(version) else None

    def use(self, task: str, content: str) -> None:
        """Make the imported data file of a content hash the one in use."""
        with replacing(self.imports(task) / "current") as draft:
            draft.write_text(f"{content[:16]}\n", encoding="ascii")

    def groups(self, task: str) -> Path:
        """The file of groups that were joined to a task's data file."""
        return self.root / "groups" / f"{task}.npz"

    @property
    def accepted(self) -> Path:
        """The file of terms that the user has accepted."""
        return self.root / "accepted.json"

    @property
    def salt(self) -> Path:
        """The file of the secret that identifiers of patients are hashed with."""
        return self.root / "salt"
