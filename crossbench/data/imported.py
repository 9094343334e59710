"""Provenance of a data file: its import and joined groups, in file and records."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec import structs

from crossbench.data.formats.npz import NpzFile, content_hash
from crossbench.data.inputs import kind_of
from crossbench.errors import DataError
from crossbench.files.atomic import replacing
from crossbench.files.hashing import hash_json
from crossbench.specs.reader import from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.specs import TaskCard
    from crossbench.specs.origins import Origin

_FORM = ("shape", "channels", "intensity")


@dataclass(frozen=True, kw_only=True)
class ImportFacts:
    """Provenance of an imported data file, as it is kept in the file.

    Attributes:
        importer: The importer.
        origin: Origin on the card.
        options: A value for every option of the importer.
        changed: Options that were not as the card's origin has them.
        verbatim: Whether samples are in the form of the card's own data file.
        samples: Number of samples.
        any_count: Whether the user accepted another number of samples than the origin's.
        dropped: Identifier and reason of each that was left out.
        notes: What was assumed or changed.
    """

    importer: str
    origin: str
    options: dict[str, Any]
    samples: int
    changed: tuple[str, ...] = ()
    verbatim: bool = False
    any_count: bool = False
    dropped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()

    def card(self, card: TaskCard) -> TaskCard:
        """The card with the facts that hold of this import in the place of the published file's.

        Imported samples are in canonical axes, and their range is what the origin says. Made
        under other options than the card's they may be of any form, and of any number where the
        user accepted that. One that was made of no origin of the card has a card of its own.
        """
        if not self.origin:
            return card
        origin = next((each for each in card.origins if each.name == self.origin), None)
        facts: dict[str, Any] = {"checksum": {}, "shape": _canonical_shape(card)}
        facts["source"] = structs.replace(card.source, axes=None)
        if not self.verbatim:
            facts["intensity"] = None
        if origin is not None:
            given = {name: getattr(origin, name) for name in (*_FORM, "class_counts", "group")}
            facts |= {name: value for name, value in given.items() if value is not None}
        if self.changed or (origin is not None and self._differs(origin)):
            facts |= dict.fromkeys((*_FORM, "class_counts"))
        if self.any_count:
            facts["class_counts"] = None
        return replace(card, **facts)

    def _differs(self, origin: Origin) -> bool:
        """Whether the card's origin has had other options since."""
        return any(self.options.get(key, value) != value for key, value in _plain(origin).items())


def _plain(origin: Origin) -> dict[str, Any]:
    """The options of an origin as JSON has them."""
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in origin.options.items()
    }


def _canonical_shape(card: TaskCard) -> tuple[int, ...] | None:
    """The card's shape in canonical axes."""
    stored = card.source.axes
    if card.shape is None or stored is None:
        return card.shape
    return tuple(card.shape[stored.index(letter)] for letter in kind_of(card).axes)


def import_facts(archive: NpzFile) -> ImportFacts | None:
    """Provenance in an imported file; None of any other file.

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
    except (ValueError, RecursionError) as error:
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
    try:
        with NpzFile(file) as archive:
            content, source = (str(archive.read(name)) for name in ("content", "source"))
            return JoinedGroups(groups=archive.read("groups"), content=content, source=source)
    except DataError as error:
        remedy = f"take the joined groups away by crossbench data groups {file.stem} --remove"
        raise DataError(f"{error}; or {remedy}") from error


def write_groups(file: Path, joined: JoinedGroups) -> None:
    """Keep groups beside a data file."""
    with replacing(file) as draft, draft.open("wb") as stream:
        np.savez(
            stream,
            groups=joined.groups,
            content=np.array(joined.content),
            source=np.array(joined.source),
        )


# ------------------------------------------------------------------------------------- in records


# A user's file may be named after a person, with blanks in it: what goes before it is dropped too.
_FILE = re.compile(r".*\.(?:csv|tsv|txt|xlsx?|json|npz)\b", re.IGNORECASE | re.DOTALL)
_TABLE = "a table"


def origin_facts(
    file: Path, made: ImportFacts | None, joined: JoinedGroups | None
) -> dict[str, Any]:
    """Provenance of a data file as records have it; empty for a published one.

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
                name: _finite(_shown(value) if name in made.changed else value)
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
    """Source of groups, without the name of a file."""
    words = _FILE.sub(_TABLE, words)
    return _TABLE if re.search(r"[/\\]", words) else words


def _shown(value: Any) -> Any:
    """An option that a user set: text, which may name a file or a patient, by its hash."""
    if isinstance(value, str):
        return f"sha256 {hash_json(value)[:16]}" if value else value
    return [_shown(each) for each in value] if isinstance(value, list | tuple) else value


def _finite(value: Any) -> Any:
    """An option as a record can hold it: numbers finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return [_finite(each) for each in value] if isinstance(value, list | tuple) else value
