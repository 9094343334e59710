"""Forms of the files of samples: sizes, channels, values and spacings."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from crossbench.data.formats.pictures import decode_picture, is_copied
from crossbench.data.new.remarks import Remark, some
from crossbench.data.words import counted
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from crossbench.data.formats.nifti import VolumeForm

F = TypeVar("F")

_BATCH = 64  # files that are given to the threads at a time


@dataclass(frozen=True, kw_only=True)
class PictureForm:
    """Form of a picture.

    Attributes:
        size: (H, W), turned as its EXIF orientation says.
        channels: 1 where it is gray, saved as such or as three equal channels; else 3.
        dtype: Of its values.
        traits: What decoding changes: ``palette``, ``alpha``, ``turned``, ``copied``, ``CMYK``.
    """

    size: tuple[int, ...]
    channels: int
    dtype: str
    traits: tuple[str, ...]

    @property
    def acquisition(self) -> tuple[float, ...]:
        """Height and width, in which a shortcut may lie."""
        return self.size


def picture_form(file: Path) -> PictureForm:
    """Decode a picture and say what it is.

    Raises:
        DataError: If it is damaged or would be read in part.
    """
    pixels, traits = decode_picture(file, upright=True)
    copied = pixels.ndim == 3 and is_copied(pixels)
    return PictureForm(
        size=pixels.shape[:2],
        channels=3 if pixels.ndim == 3 and not copied else 1,
        dtype=pixels.dtype.name,
        traits=(*traits, "copied") if copied and not traits else traits,
    )


def each_form(
    look: Callable[[str], F], files: Sequence[str], listener: Callable[[int, int], None]
) -> tuple[dict[str, F], dict[str, str]]:
    """Form of each file, by threads; those that cannot be read, with the reason."""
    found: dict[str, F] = {}
    faults: dict[str, str] = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(files), _BATCH):
            batch = files[start : start + _BATCH]
            for file, form in zip(batch, pool.map(partial(_try, look), batch), strict=True):
                if isinstance(form, DataError):
                    faults[file] = str(form)
                else:
                    found[file] = form
            listener(start + len(batch), len(files))
    return found, faults


def _try(look: Callable[[str], F], file: str) -> F | DataError:
    try:
        return look(file)
    except DataError as error:
        return error


def check_damaged(faults: Sequence[str], *, skip: bool) -> None:
    """Refuse damaged files, unless these are to be left out.

    Raises:
        DataError: With how many there are, and the first of them.
    """
    if faults and not skip:
        shown = "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")
        msg = f"{counted(len(faults), 'file')} cannot be read: {shown}"
        raise DataError(f"{msg}\n--skip-damaged leaves such files out")


def left_out_damaged(faults: Mapping[str, str], *, skip: bool) -> tuple[Remark, ...]:
    """Remark on files that cannot be read.

    Raises:
        DataError: If there are some and they are not to be left out.
    """
    if not faults:
        return ()
    check_damaged(list(faults.values()), skip=skip)
    text = f"{counted(len(faults), 'file')} left out: damaged, or of a form that is not read"
    return (Remark(topic="left out", text=text, names=tuple(faults)),)


def span(values: Sequence[float]) -> str:
    """One number, or the least and the greatest of many."""
    low, high = (f"{round(each, 2):g}" for each in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def spans(rows: Sequence[Sequence[float]]) -> str:
    """The range of each axis: ``10 to 62 x 43 to 91``."""
    return " x ".join(span(column) for column in zip(*rows, strict=True))


def codes_in_words(forms: Mapping[str, VolumeForm]) -> str:
    """The orientations of volumes with their numbers."""
    counts: dict[str, int] = {}
    for form in forms.values():
        counts[form.codes] = counts.get(form.codes, 0) + 1
    order = sorted(counts, key=lambda codes: (-counts[codes], codes))
    return some([f"{counts[codes]} {codes}" for codes in order if codes])
