"""The files of a folder: pictures, volumes and tables, and what is left out."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from itertools import filterfalse
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from crossbench.data.formats.dicom.bounds import is_dicom
from crossbench.data.formats.nifti import NIFTI_SUFFIXES
from crossbench.data.formats.pictures import PICTURE_SUFFIXES
from crossbench.data.formats.tables import TABLE_SUFFIXES
from crossbench.data.new.remarks import Remark
from crossbench.data.words import counted
from crossbench.errors import DataError
from crossbench.files.paths import is_litter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHEETS = (".xls", ".xlsx", ".ods")
_MASK = r"(?:masks?|seg|segmentations?|roi|contours?|annotations?|ground_?truth|gt)"
_MASK_FOLDER = re.compile(rf"(?:.*[-_ ])?{_MASK}", re.IGNORECASE)
_MASK_NAME = re.compile(rf"(.+?)[-_. ]{_MASK}(?:[-_ ]?\d+)?", re.IGNORECASE)

PICTURES, NIFTI, DICOM = "pictures", "NIfTI files", "DICOM files"
_ENDINGS = {PICTURES: PICTURE_SUFFIXES, NIFTI: NIFTI_SUFFIXES}


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files of a folder, as paths below it with forward slashes.

    Attributes:
        samples: Files that may be samples, sorted.
        masks: Those that look like outlines of samples.
        form: What samples are: :data:`PICTURES`, :data:`NIFTI` or :data:`DICOM`.
        tables: Tables as text.
        sheets: Tables of spreadsheet programs, which are not read.
        remarks: What was left out.
    """

    samples: tuple[str, ...]
    masks: tuple[str, ...]
    form: str
    tables: tuple[str, ...]
    sheets: tuple[str, ...]
    remarks: tuple[Remark, ...]


def stem(file: str) -> str:
    """The name of a file without folder and ending, ``.nii.gz`` being one ending."""
    name = PurePosixPath(file).name
    ending = next((end for end in NIFTI_SUFFIXES if name.lower().endswith(end)), "")
    return name[: -len(ending)] if ending else PurePosixPath(name).stem


def check_folder(folder: Path) -> None:
    """Refuse what is no folder.

    Raises:
        DataError: Naming it.
    """
    if not folder.is_dir():
        what = "is a file; name its folder" if folder.exists() else "no such folder"
        raise DataError(f"{folder}: {what}")


def find_files(folder: Path) -> Files:
    """Look for samples and tables in a folder and those below it.

    Raises:
        DataError: If it is no folder, or holds no samples or samples of several forms.
    """
    check_folder(folder)
    by_form: dict[str, list[str]] = defaultdict(list)
    for file in _walk(folder):
        by_form[_form(file)].append(file)
    by_form[DICOM] = [file for file in by_form["others"] if _is_dicom(folder / file)]
    by_form["others"] = sorted(set(by_form["others"]) - set(by_form[DICOM]))
    forms = [form for form in (*_ENDINGS, DICOM) if by_form[form]]
    if not forms:
        known = " ".join(ending for endings in _ENDINGS.values() for ending in endings)
        raise DataError(f"{folder}: no pictures or volumes in it ({known}, or DICOM)")
    if len(forms) > 1:
        both = " and ".join(f"{len(by_form[form])} {form}" for form in forms)
        msg = f"{folder}: holds {both}; a task has samples of one form: put them into two folders"
        raise DataError(msg)
    samples, masks = (by_form[DICOM], []) if forms == [DICOM] else _apart(by_form[forms[0]])
    return Files(
        samples=tuple(samples),
        masks=tuple(masks),
        form=forms[0],
        tables=tuple(by_form["tables"]),
        sheets=tuple(by_form["sheets"]),
        remarks=tuple(_left_out(masks, by_form["others"])),
    )


def _walk(folder: Path) -> Iterator[str]:
    """Files in order of their paths; hidden ones and what systems leave are not looked at."""

    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename}: cannot be listed ({error.strerror})") from error

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted(filterfalse(is_litter, folders))
        for name in sorted(filterfalse(is_litter, names)):
            file = Path(place, name)
            if file.is_file():
                yield file.relative_to(folder).as_posix()


def _is_dicom(file: Path) -> bool:
    try:
        return is_dicom(file)
    except OSError:
        return False


def _form(file: str) -> str:
    name = file.lower()
    for form, endings in _ENDINGS.items():
        if name.endswith(endings):
            return form
    if name.endswith(TABLE_SUFFIXES):
        return "tables"
    return "sheets" if name.endswith(_SHEETS) else "others"


def _apart(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """Samples, and masks: in a folder of masks, or named after another file."""
    files = list(files)
    named = {_key(file, stem(file)) for file in files}
    masks = {file for file in files if _is_mask(file, named)}
    if len(masks) == len(files):  # what they are called says nothing of them then
        masks = set()
    return [file for file in files if file not in masks], sorted(masks)


def _is_mask(file: str, named: set[tuple[str, str]]) -> bool:
    if any(_MASK_FOLDER.fullmatch(part) for part in PurePosixPath(file).parts[:-1]):
        return True
    of = _MASK_NAME.fullmatch(stem(file))
    return of is not None and _key(file, of[1]) in named


def _key(file: str, name: str) -> tuple[str, str]:
    return str(PurePosixPath(file).parent).casefold(), name.casefold()


def _left_out(masks: list[str], others: list[str]) -> Iterator[Remark]:
    if masks:
        said = f"{counted(len(masks), 'file')} left out: by name a mask or an outline"
        yield Remark(topic="left out", text=said, names=tuple(masks))
    if others:
        said = f"{counted(len(others), 'file')} left out: neither picture, volume nor table"
        yield Remark(topic="left out", text=said, names=tuple(others))
