"""Where the samples of a task come from: one struct a kind, chosen by ``kind`` on the card.

They stand here and not beside their readers in ``crossbench.data``, so that cards are listed
without numpy.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

#: Which slice stands for a volume: the one with the greatest sum, or the one at half its depth.
Slice = Literal["fullest", "middle"]


class _Source(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What sources of all kinds may say.

    Attributes:
        invert: Whether intensities are mirrored within the range of their dtype, as where another
            modality shows bright what this one shows dark.
        permute: Seed under which labels are permuted, which leaves nothing to learn; the folds
            stay those of the original labels.
        slice: Slice of each volume that is the sample, where a card of images reads a file of
            volumes. None where the file holds what the card says; of embedded volumes, ``fullest``.
    """

    file: str
    remedy: str = ""
    axes: str | None = None
    invert: bool = False
    permute: Annotated[int, msgspec.Meta(ge=0, description="a seed from 0")] | None = None
    slice: Slice | None = None

    @property
    def kind(self) -> str:
        """The word that chooses this kind on a card."""
        return str(self.__struct_config__.tag)


class NpzSource(_Source, frozen=True, kw_only=True, tag="npz"):
    """An npz file of the authors' format: ``images``, ``labels`` and, where known, ``groups``.

    Attributes:
        file: File name, looked for in the data folder.
        remedy: One sentence for a user who does not have the file: where to get it.
        axes: Order of the stored axes in space where it is not the kind's: ``WHD`` where
            the slices lie along the last axis. Nothing is guessed from the lengths.
        url: Direct download, where the publisher offers one.
        task: Task whose data file this is, in whatever way it was got; None for the card's own.
    """

    url: str | None = None
    task: str | None = None

    def advice(self, task: str) -> str:
        """Where to get the file, for a user who does not have it."""
        remedy = self.remedy or f"Save {task}.npz with arrays 'images' and 'labels' there."
        return f"{remedy} Download: {self.url}" if self.url else remedy


class MedmnistSource(NpzSource, frozen=True, kw_only=True, tag="medmnist"):
    """An npz file of MedMNIST's format: ``{train,val,test}_{images,labels}``."""


class EmbeddedSource(_Source, frozen=True, kw_only=True, tag="embedded"):
    """An npz file beside the card: images with ratings, thresholded into two classes.

    Attributes:
        file: Path relative to the card.
        images: Key of the image array. A card of images over volumes takes their largest slices.
        label: Key of the rating.
        threshold: Ratings above it are class 1, below it class 0, equal ones are left out.
        minimum: Lower bounds on further columns, such as ``{ diameter_mm = 6.0 }``.
        covariate: Column that a plain baseline predicts from, such as ``diameter_mm``.
    """

    images: str
    label: str
    threshold: float
    minimum: dict[str, float] = {}
    covariate: str | None = None

    def advice(self, task: str) -> str:  # noqa: ARG002
        """Where to get the file, for a user who does not have it."""
        return self.remedy or "It ships beside its card: install the card's package again."
