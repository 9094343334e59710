"""Series of DICOM files, as a listing of a folder describes them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Choices for series that are not one plain volume or picture; by default, none.

    Attributes:
        volume: Which volume of a series that holds several (echoes, phases, time points), counted
            from 1; 0 refuses such a series.
        frame: Which frame of a cine loop, ``first`` or ``middle``; empty refuses it.
        missing: Whether a volume with missing slices is taken, with what dcm2niix puts in their
            place.
        doubled: Whether the first of slices at one position is taken, and the others left out.
        slices: Whether each slice of CT, MR, PET and NM is a picture.
        reformats: Whether derived reformats (MPR, MIP) are series like others.
    """

    volume: int = 0
    frame: Literal["", "first", "middle"] = ""
    missing: bool = False
    doubled: bool = False
    slices: bool = False
    reformats: bool = False


@dataclass(frozen=True, kw_only=True)
class Series:
    """One sample of an export: the slices of one volume, or one picture.

    Attributes:
        kind: ``volume`` for CT, MR, PET and NM; ``picture`` for radiographs, ultrasound and others.
            Each file of a series of pictures is a ``Series`` of its own.
        files: The files, a volume's in order along the normal of its slices.
        modality: Such as ``CT``.
        description: The series' description. It is typed by people: keep it out of what is stored.
        patient: PatientID, to be hashed; empty where there is none.
        study: Study instance UID.
        uid: Series instance UID; empty where there is none.
        slices: Number of slices or frames.
        shape: Slices, rows and columns of a volume; empty where headers do not tell.
        drift: Degrees by which slices drift off their normal, along rows and along columns.
        others: Files of the series that are not used: copies, other volumes.
        frames: Numbers of the frames of one file that are the volume, from 1; empty for all.
        volumes: How many volumes the series holds, of which this is one.
        refused: Why this is not one volume or picture, and what chooses; empty where it is.
        notes: What was assumed, free of what identifies anybody.
        choice: What the listing was asked for.
    """

    kind: Literal["volume", "picture"]
    files: tuple[Path, ...]
    modality: str
    description: str = field(default="", repr=False)
    patient: str = field(default="", repr=False)
    study: str = field(default="", repr=False)
    uid: str = field(default="", repr=False)
    slices: int = 1
    shape: tuple[int, ...] = ()
    drift: tuple[float, float] = (0.0, 0.0)
    others: tuple[Path, ...] = field(default=(), repr=False)
    frames: tuple[int, ...] = ()
    volumes: int = 1
    refused: str = ""
    notes: tuple[str, ...] = ()
    choice: Choice = Choice()


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Files that are no samples.

    Attributes:
        files: The files, of one series where they are DICOM.
        reason: Why, such as ``scout or localizer``.
        damaged: Whether they are DICOM that cannot be read.
    """

    files: tuple[Path, ...]
    reason: str
    damaged: bool = False


def merged(left_out: Iterable[LeftOut]) -> tuple[LeftOut, ...]:
    """One entry a reason, in the order of the reasons' first files."""
    files: dict[tuple[str, bool], list[Path]] = defaultdict(list)
    for each in left_out:
        files[each.reason, each.damaged] += each.files
    return tuple(
        LeftOut(files=tuple(sorted(set(found))), reason=why, damaged=damaged)
        for (why, damaged), found in files.items()
    )


@dataclass(frozen=True, kw_only=True)
class SeriesListing:
    """Series of a folder, and files left out.

    Attributes:
        series: Every sample, those that are ``refused`` included, ordered by their files.
        left_out: What is recognised as no sample, or not readable, with the reasons.
    """

    series: tuple[Series, ...]
    left_out: tuple[LeftOut, ...]
