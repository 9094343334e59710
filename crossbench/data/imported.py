"""What an imported data file says of itself, and groups that are joined to a data file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import structs

from crossbench.data.formats.npz import NpzFile, content_hash
from crossbench.errors import DataError
from crossbench.files.atomic import replacing
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.specs import TaskCard


@dataclass(frozen=True, kw_only=True)
class ImportFacts:
    """How an imported data file was made, as it is kept in the file.

    Attributes:
        importer: The importer.
        origin: Origin on the card.
        options: A value for every option of the importer.
        samples: Number of samples.
        dropped: Identifier and reason of each that was left out.
        notes: What was assumed or changed.
    """

    importer: str
    origin: str
    options: dict[str, Any]
    samples: int
    dropped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def card(self, card: TaskCard) -> TaskCard:
        """The card with the facts that hold of this import in the place of the published file's.

        One that was made of no origin of the card has a card that was made with it.
        """
        if not self.origin:
            return card
        origin = next((each for each in card.origins if each.name == self.origin), None)
        changed = origin is None or any(
            self.options.get(name, value) != value for name, value in origin.options.items()
        )
        facts: dict[str, Any] = {"checksum": {}, "source": structs.replace(card.source, axes=None)}
        if origin is None or changed:
            facts |= {"shape": None, "channels": None, "intensity": None, "class_counts": None}
        else:
            names = ("shape", "channels", "intensity", "class_counts", "group")
            given = {name: getattr(origin, name) for name in names}
            facts |= {name: value for name, value in given.items() if value is not None}
        return replace(card, **facts)


def import_facts(archive: NpzFile) -> ImportFacts | None:
    """What an imported file says of itself; None of any other file.

    Raises:
        DataError: If it is not readable.
    """
    if "about" not in archive:
        return None
    text = archive.read("about")
    if text.shape or text.dtype.kind != "U":
        raise DataError(f"{archive.file}: array 'about' is no text; import the task again")
    try:
        mapping = json.loads(str(text))
    except ValueError as error:
        msg = f"{archive.file}: array 'about' is no JSON ({error}); import the task again"
        raise DataError(msg) from error
    return from_mapping(ImportFacts, mapping, where=f"{archive.file}: about")


# ------------------------------------------------------------------------- joined groups


@dataclass(frozen=True, kw_only=True, eq=False)
class JoinedGroups:
    """Groups that were joined to a data file.

    Attributes:
        groups: (N,) identifiers.
        content: Content hash of the samples they belong to.
        source: Where they are from, in words.
    """

    groups: NDArray[Any]
    content: str
    source: str

    def check(self, dataset: Dataset, *, where: str) -> None:
        """Refuse samples that the groups were not joined to.

        Raises:
            DataError: Naming both files.
        """
        if dataset.content_hash != self.content:
            msg = f"{where}: its groups were joined to {dataset.file.name} of another content"
            raise DataError(f"{msg}; join them again by crossbench data groups, or delete the file")

    @property
    def digest(self) -> str:
        """Hash of the identifiers."""
        return content_hash({"groups": self.groups})


def read_groups(file: Path | None) -> JoinedGroups | None:
    """The groups that were joined to a data file; None where there are none.

    Raises:
        DataError: If the file is damaged.
    """
    if file is None or not file.is_file():
        return None
    with NpzFile(file) as archive:
        content, source = (str(archive.read(name)) for name in ("content", "source"))
        return JoinedGroups(groups=archive.read("groups"), content=content, source=source)


def write_groups(file: Path, joined: JoinedGroups) -> None:
    """Keep groups beside a data file."""
    with replacing(file) as draft, draft.open("wb") as stream:
        np.savez(
            stream,
            groups=joined.groups,
            content=np.array(joined.content),
            source=np.array(joined.source),
        )
