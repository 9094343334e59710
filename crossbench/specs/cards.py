"""Task cards: a labelled dataset's content, origin and known issues."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from crossbench.specs.limits import Count
from crossbench.specs.origins import Origin
from crossbench.specs.preparation import Preparation
from crossbench.specs.reader import Demand
from crossbench.specs.requests import ALL
from crossbench.specs.sources import EmbeddedSource, MedmnistSource, NpzSource

DataSource = Literal["real", "embedded", "phantom"]

#: Form of the names of tasks.
KEBAB_CASE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_LONGEST_NAME = 64  # characters; it becomes a part of file names

#: Length of a hexadecimal digest by the algorithm that a card may name.
_DIGESTS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    """One labelled dataset: what it is, where it comes from, and what is known to be wrong.

    The first block is the required core; the rest are facts left out where unknown.

    Attributes:
        name: Registry name in kebab case.
        title: Name for people.
        kind: Input kind: ``image``, ``volume``, or one that a package registers.
        dimension: Spatial axes, as the kind says; a card may give it in the place of the kind,
            2 for images and 3 for volumes.
        modality: Imaging modality.
        classes: Class names; the index is the label.
        licence: SPDX identifier or the publisher's words; ``unknown`` where unpublished.
        citation: Reference to cite.
        source: Where the samples come from.
        metric: Main metric of the task, a name of ``crossbench.evaluation.metrics``.
        version: Version of the card; raised when a change alters results.
        group_by: Board the task belongs to in Table II's layout.
        samples: Number of samples by source of the figure (``paper``, ``publisher``).
        class_counts: Samples per class, in the order of ``classes``.
        shape: Spatial shape as stored, such as ``(H, W)`` or ``(D, H, W)``.
        channels: Channels as stored.
        intensity: Lowest and highest stored value.
        input_size: Side length that a network is fed; volumes are fed as stored.
        input: Options of the input kind, such as what its samples were recorded with.
        restrictions: What the licence forbids.
        homepage: Where the data is described.
        checksum: Digest by algorithm, of the distributed file.
        group: What must not straddle a split: patient, lesion, scan.
        cohort: Whose groups they are, where several tasks are of the same patients: a group of
            one identifier is the same in all tasks of a cohort.
        edition: What tells this from other tasks of the same samples, such as their size: tasks
            of two editions are never on one board, which would count samples twice.
        official_split: The publisher's split, in words.
        known_issues: Leakage, duplicates, label errors.
        origins: Where the data can be had, in the order of preference.
        preparation: How single files become samples, where the data file was made of such files.
        control: Whether this is a variation on another task, made to check a claim; run by name
            and not among ``all``.
        path: The file the card was read from.
    """

    name: str
    title: str
    kind: str = ""
    dimension: int = 0
    modality: str
    classes: Annotated[tuple[str, ...], Meta(min_length=2, description="two names or more")]
    licence: str
    citation: str
    source: NpzSource | MedmnistSource | EmbeddedSource
    metric: str
    version: Count

    group_by: str | None = None
    samples: dict[str, Count] = field(default_factory=dict)
    class_counts: tuple[Count, ...] | None = None
    shape: tuple[Count, ...] | None = None
    channels: int | None = None
    intensity: tuple[float, float] | None = None
    input_size: Count | None = None
    input: dict[str, Any] = field(default_factory=dict)
    restrictions: str | None = None
    homepage: str | None = None
    checksum: dict[str, str] = field(default_factory=dict)
    group: str | None = None
    cohort: str | None = None
    edition: str | None = None
    official_split: str | None = None
    known_issues: tuple[str, ...] = ()
    origins: tuple[Origin, ...] = ()
    preparation: Preparation | None = None
    control: bool = False
    path: Path | None = field(default=None, compare=False)

    @property
    def embedded(self) -> bool:
        """Whether the data ships with the card."""
        return isinstance(self.source, EmbeddedSource)

    @property
    def parts(self) -> tuple[TaskCard, ...]:
        """The tasks whose data files hold its samples, that which is tested first: itself."""
        return (self,)

    def fingerprint(self) -> dict[str, Any]:
        """The facts that reach the numbers, as identities hash them."""
        return {
            "name": self.name,
            "version": self.version,
            "kind": self.kind,
            "dimension": self.dimension,
            "classes": len(self.classes),
            "input_size": self.input_size,
            **({"edition": self.edition} if self.edition else {}),
            **({"input": self.input} if self.input else {}),
        }

    def demands(self) -> Iterator[Demand]:
        """What must hold of a card of any kind beyond the types of its keys."""
        count = len(self.classes)
        complaint = name_complaint(self.name)
        yield "name", not complaint, f"it {complaint}"
        yield "classes", len(set(self.classes)) == count, "each name must differ from the others"
        embedded = "an embedded source is thresholded into two"
        yield "classes", count == 2 or not self.embedded, embedded
        counts = f"it must be one count for each of the {count} classes"
        yield "class_counts", are_sizes(self.class_counts, count), counts
        yield "cohort", self.cohort is None or self.group, "it is of groups: say what they are"
        low, high = self.intensity or (0, 1)
        yield "intensity", low < high, "it must be [lowest, highest]"
        digests = f"it must be hexadecimal digests by algorithm, of {', '.join(_DIGESTS)}"
        yield "checksum", all(map(_is_digest, self.checksum.items())), digests
        names = [origin.name for origin in self.origins]
        named = len(set(names)) == len(names) and all(map(KEBAB_CASE.fullmatch, names))
        yield "origins", named, "each must have a name of its own, in kebab case"
        stated = [item for origin in self.origins for item in origin.digests()]
        yield "origins", all(map(_is_digest, stated)), f"of each checksum: {digests}"
        listed = "the table of listed must be one of its files, and a {COLUMN} in its url and file"
        yield "origins", all(map(_lists, self.origins)), listed


def name_complaint(name: str) -> str:
    """The rule that a task's name breaks, beginning with "must"; empty for none."""
    if not KEBAB_CASE.fullmatch(name):
        return "must be in kebab case, such as 'brain-tumor'"
    if len(name) > _LONGEST_NAME:
        return f"must not be longer than {_LONGEST_NAME} characters"
    return f"must not be {ALL!r}, which stands for all tasks" if name == ALL else ""


def are_sizes(values: tuple[int, ...] | None, length: int) -> bool:
    """Whether so many sizes are given, or none at all."""
    return values is None or len(values) == length


def _lists(origin: Origin) -> bool:
    """Whether an origin's table is one of its files and gives each row a file of its own."""
    listed = origin.listed
    names = [file.file for file in origin.files]
    return listed is None or (listed.table in names and listed.tells_apart)


def _is_digest(item: tuple[str, str]) -> bool:
    algorithm, digest = item
    length = _DIGESTS.get(algorithm)
    return length is not None and bool(re.fullmatch(f"[0-9a-fA-F]{{{length}}}", digest))
