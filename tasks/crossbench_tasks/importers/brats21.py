"""BraTS 2021 with MGMT labels: Synapse's NIfTI volumes, or Kaggle's DICOM series.

Labels are Kaggle's ``train_labels.csv``, which both are joined with by the subject's number.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import whole, words
from crossbench.errors import DataError, RequestError
from crossbench_tasks.importers._files import find, read_csv
from crossbench_tasks.importers._pixels import zoomed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_LABELS = "train_labels.csv"
_SEQUENCES = {"FLAIR": "flair", "T1w": "t1", "T1wCE": "t1ce", "T2w": "t2"}
_NUMBER = re.compile(r"\d{1,5}")


class _Brats(Importer):
    """Subjects that have a label and every sequence that is asked for."""

    unpacks = (".zip", ".tar", ".tar.gz", ".tgz")
    defaults: ClassVar[Mapping[str, Option]] = {
        "modalities": ("FLAIR", "T1wCE", "T2w"),
        "size": 96,
        "exclude": (),
    }
    subject: ClassVar[re.Pattern[str]]

    @abstractmethod
    def place(self, home: Path, name: str) -> Path | None:
        """The file or folder of a sequence of a subject; None where there is none."""

    @abstractmethod
    def volume(self, place: Path) -> NDArray[Any]:
        """A sequence, (D, H, W) in RAS."""

    def list(self, source: Distribution) -> Listing:
        """The subjects by number."""
        labels = _labels(find(source.folder, _LABELS, of="the competition"))
        homes = self._homes(source.folder)
        chosen = modalities(source.options)
        out = {_number(each) for each in words(source.options, "exclude")}
        dropped = [(number, "label without images") for number in labels if number not in homes]
        samples = []
        for number, home in sorted(homes.items()):
            places = [self.place(home, name) for name in chosen]
            missing = [name for name, place in zip(chosen, places, strict=True) if place is None]
            if number not in labels:
                dropped.append((number, "images without a label"))
            elif number in out:
                dropped.append((number, "excluded as asked for"))
            elif missing:
                dropped.append((number, f"without {', '.join(missing)}"))
            else:
                files = tuple(each.relative_to(source.folder).as_posix() for each in places if each)
                samples.append(Original(id=number, label=labels[number], files=files, group=number))
        notes = (
            f"channels are {', '.join(chosen)}; which three the authors took is unpublished",
            "whole volumes are turned to RAS and resized linearly, values kept (inferred)",
        )
        return Listing(samples=tuple(samples), dropped=tuple(dropped), notes=notes)

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(C, D, H, W) float32, a channel for each sequence."""
        size = (whole(source.options, "size"),) * 3
        return np.stack([zoomed(self.volume(source.folder / file), size) for file in sample.files])

    def _homes(self, folder: Path) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for path in sorted(folder.rglob("*")):
            match = self.subject.fullmatch(path.name)
            if match is None or path.is_symlink() or not path.is_dir():
                continue
            number = match.group(1)
            if number in found:
                msg = f"{folder}: subject {number} is there twice ({found[number]} and {path})"
                raise DataError(f"{msg}; keep one of them")
            found[number] = path
        if not found:
            msg = f"{folder}: no folders of subjects ({self.subject.pattern}) in it or below"
            raise DataError(f"{msg}; unpack the distribution there")
        return found


class BratsNifti(_Brats):
    """Synapse syn25829067: ``BraTS2021_00000/BraTS2021_00000_flair.nii.gz`` and so on."""

    name = "brats21-nifti"
    needs = ("nibabel",)
    subject = re.compile(r"BraTS2021_(\d{5})")

    def place(self, home: Path, name: str) -> Path | None:
        """The NIfTI file of a sequence."""
        for ending in (".nii.gz", ".nii"):
            file = home / f"{home.name}_{_SEQUENCES[name]}{ending}"
            if file.is_file():
                return file
        return None

    def volume(self, place: Path) -> NDArray[Any]:
        """A sequence, (D, H, W) in RAS."""
        from crossbench.data.formats.nifti import read_volume

        voxels, form = read_volume(place)
        if form.shape[0] != 1:
            raise DataError(f"{place}: holds {form.shape[0]} volumes, not one; get it again")
        volume: NDArray[Any] = voxels[0]
        return volume


class BratsKaggle(_Brats):
    """Kaggle: ``train/00000/FLAIR/Image-1.dcm`` and so on."""

    name = "brats21-kaggle"
    needs = ("pydicom", "dcm2niix")
    subject = re.compile(r"(\d{5})")

    def place(self, home: Path, name: str) -> Path | None:
        """The folder of a series, if anything is in it."""
        folder = home / name
        return folder if folder.is_dir() and any(folder.iterdir()) else None

    def volume(self, place: Path) -> NDArray[Any]:
        """A sequence, (D, H, W) in RAS; the competition's files call themselves reformatted."""
        from crossbench.data.formats.dicom import Choice, one_series, read_volume

        return read_volume(one_series(place, Choice(reformats=True))).voxels


def modalities(options: Mapping[str, Option]) -> tuple[str, ...]:
    """The sequences that become channels.

    Raises:
        RequestError: If one is unknown, or there are more than volumes may have channels.
    """
    chosen = words(options, "modalities")
    if not 1 <= len(chosen) <= 3 or len(set(chosen)) < len(chosen) or set(chosen) - set(_SEQUENCES):
        msg = f"option modalities is {chosen!r}; it must be one to three of"
        raise RequestError(f"{msg} {', '.join(_SEQUENCES)}")
    return chosen


def _labels(file: Path) -> dict[str, int]:
    table = read_csv(file, ("BraTS21ID", "MGMT_value"))
    labels: dict[str, int] = {}
    for name, value in zip(table["BraTS21ID"], table["MGMT_value"], strict=True):
        number = _number(name)
        if number in labels or value not in ("0", "1"):
            msg = f"{file}: subject {name!r} has MGMT_value {value!r}, or is there twice"
            raise DataError(f"{msg}; get the table again")
        labels[number] = int(value)
    return labels


def _number(text: str) -> str:
    """A subject's number with its zeros."""
    if not _NUMBER.fullmatch(text.strip()):
        raise DataError(f"{text!r} is no number of a BraTS subject, such as 00109; correct it")
    return text.strip().zfill(5)
