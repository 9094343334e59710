"""Listing of a folder of DICOM files: series that are samples, and the rest."""

from __future__ import annotations

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossbench.data.formats.dicom.bounds import NO_DICOM, quiet
from crossbench.data.formats.dicom.geometry import stack
from crossbench.data.formats.dicom.headers import read_header
from crossbench.data.formats.dicom.recognition import VOLUMES, why_left_out
from crossbench.data.formats.dicom.series import Choice, LeftOut, Series, SeriesListing, merged
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from crossbench.data.formats.dicom.headers import Header

_THREADS = 8
_BURNT = "the header says that text is burnt into the pixels"


def list_series(folder: Path, choice: Choice | None = None) -> SeriesListing:
    """Every series below a folder, whatever its files are called and however they lie.

    Headers alone are read. A DICOMDIR is not needed and not followed: of the files that it names,
    those that are not there are told. Links that lead out of the folder are left out.

    Args:
        folder: A folder, its DICOMDIR, or one file.
        choice: What is made of series that are not one plain volume or picture.

    Raises:
        DataError: If there is no such folder, or pydicom is not installed.
    """
    if find_spec("pydicom") is None:
        msg = f"{folder}: DICOM is read by pydicom, which is not installed"
        raise DataError(f"{msg}; pip install 'crossbench[data]'")
    chosen = choice or Choice()
    if folder.name.upper() == "DICOMDIR" and folder.is_file():
        folder = folder.parent
    if not folder.exists():
        raise DataError(f"{folder}: no such file or folder")
    files, left_out = _files(folder)
    headers: list[Header] = []
    with quiet(), ThreadPoolExecutor(_THREADS) as pool:
        for file, header in zip(files, pool.map(_try, files), strict=True):
            if isinstance(header, str):
                damaged = header != NO_DICOM
                left_out.append(LeftOut(files=(file,), reason=header, damaged=damaged))
            else:
                headers.append(header)
    series, no_samples = _sorted(headers, chosen)
    left_out += [*no_samples, *_absent(headers)]
    return SeriesListing(series=tuple(series), left_out=merged(left_out))


def series_of(place: Path, choice: Choice | None = None) -> Series:
    """The series of a folder that holds one, or the one that a file of a folder belongs to.

    A file of a volume's slice stands for all slices in its folder.

    Args:
        place: The folder, or a file.
        choice: What is made of a series that is not one plain volume or picture.

    Raises:
        DataError: If there is none, a folder has several, or it is refused.
    """
    if place.is_dir():
        return one_series(place, choice)
    listing = list_series(place, choice)
    if len(listing.series) == 1 and listing.series[0].kind == "volume":
        around = list_series(place.parent, choice).series
        found = [each for each in around if place.parent / place.name in each.files]
        listing = SeriesListing(series=tuple(found) or listing.series, left_out=())
    return _only(place, listing)


def one_series(place: Path, choice: Choice | None = None) -> Series:
    """The one series of a file or folder.

    Args:
        place: A file of a picture or a multi-frame volume, or a folder of one series.
        choice: What is made of a series that is not one plain volume or picture.

    Raises:
        DataError: If there is none, several, or it is refused; the message says why.
    """
    return _only(place, list_series(place, choice))


def _only(place: Path, listing: SeriesListing) -> Series:
    if not listing.series:
        reasons = dict.fromkeys(each.reason for each in listing.left_out) or {"no files": None}
        raise DataError(f"{place}: no series of DICOM images ({'; '.join(reasons)})")
    if len(listing.series) > 1:
        kinds = sorted({f"{each.modality} {each.kind}s" for each in listing.series})
        msg = f"{place}: {len(listing.series)} samples of DICOM ({', '.join(kinds)})"
        raise DataError(f"{msg}; give a file or a folder of one")
    (series,) = listing.series
    if series.refused:
        raise DataError(f"{place}: {series.refused}")
    return series


# ---------------------------------------------------------------------------------- files


def _files(folder: Path) -> tuple[list[Path], list[LeftOut]]:
    """Regular files in the order of their paths, and what is none."""
    if folder.is_file():
        return [folder], []
    root, found, left_out = folder.resolve(), [], []

    def unreadable(error: OSError) -> None:
        place = Path(error.filename or folder)
        left_out.append(LeftOut(files=(place,), reason=f"cannot be read ({error.strerror})"))

    for place, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links = [name for name in folders if Path(place, name).is_symlink()]
        for name in [*links, *sorted(names)]:
            file = Path(place, name)
            why = _why_no_file(file, root)
            if why:
                left_out.append(LeftOut(files=(file,), reason=why))
            elif not name.startswith("."):
                found.append(file)
    return found, left_out


def _why_no_file(file: Path, root: Path) -> str:
    """Reason that something in a folder is not read; empty for a file of the folder."""
    try:
        if file.is_symlink() and not file.resolve(strict=True).is_relative_to(root):
            return "link that leads out of the folder"
        if file.is_dir():
            return "link to a folder, which is read in its own place"
        return "" if file.is_file() else "no regular file"
    except (OSError, RuntimeError):
        return "broken link"


def _try(file: Path) -> Header | str:
    try:
        return read_header(file)
    except DataError as error:
        return str(error)


def _absent(headers: Sequence[Header]) -> Iterator[LeftOut]:
    """Files that DICOMDIRs name and that are absent, or outside of their folders."""
    for header in headers:
        folder, absent = header.file.parent, []
        for parts in header.named:
            if any(part in ("", ".", "..") or "/" in part or "\\" in part for part in parts):
                why = "DICOMDIR that names a file outside of its folder, which is not followed"
                yield LeftOut(files=(header.file,), reason=why)
                continue
            lower = folder.joinpath(*map(str.lower, parts))
            if not folder.joinpath(*parts).exists() and not lower.exists():
                absent.append(folder.joinpath(*parts))
        if absent:
            yield LeftOut(files=tuple(absent), reason="named by DICOMDIR, but not there")


# --------------------------------------------------------------------------------- series


def _sorted(headers: Sequence[Header], choice: Choice) -> tuple[list[Series], list[LeftOut]]:
    """Headers as series, ordered by their first files, and what is no sample."""
    groups: dict[tuple[str, ...], list[Header]] = defaultdict(list)
    left_out = []
    for header in headers:
        why = why_left_out(header, choice)
        if why:
            left_out.append(LeftOut(files=(header.file,), reason=why))
            continue
        unknown = "" if header.series else f"{header.file.parent}"
        alone = "" if _is_volume(header, choice) else f"{header.file}"
        key = (header.patient, header.study, header.series, unknown, alone)
        groups[key].append(header)
    series = [_series(group, choice) for group in groups.values()]
    return sorted(series, key=lambda each: min(each.files)), left_out


def _series(headers: Sequence[Header], choice: Choice) -> Series:
    first = headers[0]
    about: dict[str, Any] = {
        "modality": first.modality,
        "description": first.description,
        "patient": first.patient,
        "study": first.study,
        "uid": first.series,
        "choice": choice,
    }
    burnt = (_BURNT,) if any(header.burnt for header in headers) else ()
    if not _is_volume(first, choice):
        return Series(
            kind="picture",
            files=(first.file,),
            slices=first.frames,
            refused=_why_no_picture(first, choice),
            notes=burnt,
            **about,
        )
    one = stack([each for header in headers for each in header.slices], choice)
    undivided = len(headers) == len(first.slices) == 1
    count = first.frames if undivided else len(one.slices)
    files = tuple(dict.fromkeys(each.file for each in one.slices))
    some = len(headers) == 1 and len(one.slices) < len(first.slices)
    return Series(
        kind="volume",
        files=files,
        others=tuple(sorted({header.file for header in headers} - set(files))),
        slices=count,
        shape=() if "MOSAIC" in first.image_type else (count, *one.slices[0].form[:2]),
        frames=tuple(each.number or 0 for each in one.slices) if some else (),
        volumes=one.volumes,
        refused=one.refused,
        notes=(*one.notes, *burnt),
        drift=one.drift,
        **about,
    )


def _is_volume(header: Header, choice: Choice) -> bool:
    return header.modality in VOLUMES and not choice.slices


def _why_no_picture(header: Header, choice: Choice) -> str:
    if header.frames > 1 and not choice.frame:
        return (
            f"cine loop or multi-frame picture of {header.frames} frames; --dicom-frame chooses one"
        )
    return ""
