"""Task cards: what a labelled dataset is and where its samples come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Dimension = Literal[2, 3]


DataSource = Literal["real", "embedded", "phantom"]


@dataclass(frozen=True, kw_only=True)
class SourceSpec:
    """Where a task's samples come from.

    Attributes:
        kind: ``npz`` (the authors' format: ``images``, ``labels``, optional ``groups``),
            ``medmnist`` (``{train,val,test}_{images,labels}``) or ``embedded`` (a file
            shipped beside the card).
        file: File name, looked for in the data folder; for ``embedded`` relative to the card.
        remedy: One sentence for a user who does not have the file: where to get it.
        url: Direct download, where the publisher offers one.
        axes: Order of the stored axes in space where it is not ``HW`` or ``DHW``: ``WHD`` where
            the slices lie along the last axis. Nothing is guessed from the lengths.
        images: ``embedded`` only: key of the image array. A 2D card over volumes takes
            each volume's largest slice.
        label: ``embedded`` only: key of the rating that is thresholded into two classes.
        threshold: Ratings above it are class 1, below it class 0, equal ones are left out.
        minimum: Lower bounds on further columns, such as ``{ diameter_mm = 6.0 }``.
        covariate: ``embedded`` only: column that a plain baseline predicts from, such as
            ``diameter_mm``.
        invert: ``embedded`` only: whether intensities are turned around within the range of
            their dtype, as where another modality shows bright what this one shows dark.
        permute: ``embedded`` only: seed under which labels are dealt out anew, which leaves
            nothing to learn; the folds stay those of the labels as they were.
    """

    kind: Literal["npz", "medmnist", "embedded"]
    file: str
    remedy: str = ""
    url: str | None = None
    axes: str | None = None
    images: str | None = None
    label: str | None = None
    threshold: float | None = None
    minimum: dict[str, float] = field(default_factory=dict)
    covariate: str | None = None
    invert: bool = False
    permute: int | None = None


@dataclass(frozen=True, kw_only=True)
class TaskCard:
    """One labelled dataset: what it is, where it comes from, and what is known to be wrong.

    The first block is the required core; the rest are facts left out where unknown.

    Attributes:
        name: Registry name in kebab case.
        title: Name for people.
        dimension: 2 for images, 3 for volumes.
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
        shape: Spatial shape as stored, ``(H, W)`` or ``(D, H, W)``.
        channels: Channels as stored.
        intensity: Lowest and highest stored value.
        input_size: Side length in pixels that a 2D network is fed; 3D volumes are fed as stored.
        restrictions: What the licence forbids.
        homepage: Where the data is described.
        checksum: Digest by algorithm, of the distributed file.
        group: What must not straddle a split: patient, lesion, scan.
        official_split: The publisher's split, in words.
        known_issues: Leakage, duplicates, label errors.
        control: Whether this is a variation on another task, made to check a claim; run by name
            and not among ``all``.
        path: The file the card was read from.
    """

    name: str
    title: str
    dimension: Dimension
    modality: str
    classes: tuple[str, ...]
    licence: str
    citation: str
    source: SourceSpec
    metric: str
    version: int

    group_by: str | None = None
    samples: dict[str, int] = field(default_factory=dict)
    class_counts: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None
    channels: int | None = None
    intensity: tuple[float, float] | None = None
    input_size: int | None = None
    restrictions: str | None = None
    homepage: str | None = None
    checksum: dict[str, str] = field(default_factory=dict)
    group: str | None = None
    official_split: str | None = None
    known_issues: tuple[str, ...] = ()
    control: bool = False
    path: Path | None = field(default=None, compare=False)

    @property
    def embedded(self) -> bool:
        """Whether the data ships with the card."""
        return self.source.kind == "embedded"
