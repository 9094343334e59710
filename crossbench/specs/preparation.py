"""How single files become samples of a task: the same for training and for prediction."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from crossbench.specs.limits import Count
from crossbench.specs.reader import Demand

#: How a sample is brought to the size of all others.
Fit = Literal["stretch", "pad", "cover", "centre"]


class Preparation(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with the files that a task's data file was made of.

    Attributes:
        orientation: ``RAS`` where the axes of volumes are brought to it: x runs to the right, y to
            the front, z upwards, and they are stored z, y, x; empty where nothing is turned.
        unoriented: Whether volumes that state no orientation are taken as they lie in the file, or
            else refused.
        spacing: Millimetres between voxels along the stored axes (D, H, W), where it is known.
        resampled: Whether volumes of another spacing are resampled to it, or else refused.
        size: Pixels or voxels along the stored axes that samples are brought to; None keeps them.
        fit: How: ``stretch`` resizes each axis; ``pad`` resizes in proportion and fills up with the
            sample's lowest value; ``cover`` resizes in proportion and cuts the centre out;
            ``centre`` cuts out or fills up without resizing.
        channels: Channels of a sample.
        upright: Whether pictures are turned as their EXIF orientation says.
        dicom_volume: Which volume of a DICOM series that holds several is taken, from 1; 0 refuses.
        dicom_frame: Which frame of a cine loop is taken; empty refuses it.
        dicom_missing: Whether DICOM series with missing slices are taken.
        dicom_doubled: Whether the first of doubled DICOM slices is taken.
        dicom_slices: Whether each slice of CT, MR, PET and NM is a picture.
        dicom_reformats: Whether derived reformats are series like others.
    """

    orientation: Literal["", "RAS"] = ""
    unoriented: bool = False
    spacing: tuple[float, ...] | None = None
    resampled: bool = False
    size: tuple[Count, ...] | None = None
    fit: Fit = "stretch"
    channels: Count = 1
    upright: bool = False
    dicom_volume: Annotated[int, msgspec.Meta(ge=0)] = 0
    dicom_frame: Literal["", "first", "middle"] = ""
    dicom_missing: bool = False
    dicom_doubled: bool = False
    dicom_slices: bool = False
    dicom_reformats: bool = False

    def demands(self, dimension: int) -> Iterator[Demand]:
        """What must hold of it on a card of samples with so many axes in space."""
        lengths = f"it must be {dimension} positive numbers"
        spacing, size = self.spacing, self.size
        fits = spacing is None or (len(spacing) == dimension and min(spacing) > 0)
        yield "preparation.spacing", fits, lengths
        yield "preparation.size", size is None or len(size) == dimension, lengths
        given = "it must be false where no spacing is given"
        yield "preparation.resampled", spacing is not None or not self.resampled, given
