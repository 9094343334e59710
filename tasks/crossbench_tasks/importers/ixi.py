"""IXI: brain MRI as NIfTI, several contrasts a subject, with a table of sexes and ages.

``IXI002-Guys-0828-T1.nii.gz`` and so on, and ``IXI.xls``; the label is the subject's sex.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.options import real, sides, words
from crossbench.errors import DataError, RequestError
from crossbench_tasks.importers._files import find, read_xls, walk
from crossbench_tasks.importers._pixels import stored_nifti, unit_range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.specs.origins import Option

_TABLE = "IXI.xls"
_NAME = re.compile(r"IXI(\d{3})-(Guys|HH|IOP)-(\d{4})-([A-Z0-9]{2,3})\.nii(?:\.gz)?")
_SEX, _AGE = "SEX_ID (1=m, 2=f)", "AGE"


class Ixi(Importer):
    """Subjects with every contrast that is asked for and one sex in the table."""

    name = "ixi"
    needs = ("nibabel", "xlrd")
    unpacks = (".tar",)
    defaults: ClassVar[Mapping[str, Option]] = {
        "contrasts": ("T1", "T2"),
        "shape": (160, 192, 224),
        "orientation": "LIA",
        "spacing": 1.0,
        "conflicting": (219, 328),
        "need_age": True,
        "percentile": 100.0,
        "dtype": "uint8",
    }

    def list(self, source: Distribution) -> Listing:
        """The subjects by number; the group is the subject, the site a hospital's scanner."""
        contrasts = words(source.options, "contrasts")
        if not 1 <= len(contrasts) <= 3:
            raise RequestError(f"option contrasts is {contrasts!r}; it must be one to three names")
        _check(source.options)
        found = _files(source.folder, contrasts)
        sexes, dropped = _sexes(find(source.folder, _TABLE, of="IXI"), source.options, set(found))
        samples = []
        for number, files in found.items():
            missing = [name for name in contrasts if name not in files]
            if missing:
                dropped.append((f"IXI{number:03}", f"without {', '.join(missing)}"))
            elif number in sexes:
                paths = tuple(files[name] for name in contrasts)
                samples.append(_original(number, paths, sexes[number]))
        return Listing(samples=tuple(samples), dropped=tuple(dropped), notes=_notes(source.options))

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        """(C, D, H, W) in 0 to 255; every contrast on one grid about the first one's middle."""
        dtype = np.dtype(str(source.options["dtype"]))
        shape = sides(source.options, "shape", 3)
        made = np.empty((len(sample.files), *shape), dtype)
        grid: NDArray[np.float64] | None = None
        for channel, name in enumerate(sample.files):
            voxels, affine = stored_nifti(source.folder / name)
            if grid is None:
                grid = _grid(affine, voxels.shape, shape, source.options)
            placed = _resampled(source.folder / name, voxels, affine, grid, shape)
            high = float(np.percentile(placed, real(source.options, "percentile")))
            scaled = unit_range(placed, float(placed.min()), high)
            scaled *= np.float32(255)
            made[channel] = np.rint(scaled) if dtype.kind == "u" else scaled
        return made if len(made) > 1 else made[0]


def _check(options: Mapping[str, Option]) -> None:
    """Refuse options that no file could be read under."""
    sides(options, "shape", 3)
    letters, dtype = str(options["orientation"]), options["dtype"]
    if sorted("L" if each == "R" else "P" if each == "A" else "I" if each == "S" else each
              for each in letters) != ["I", "L", "P"]:  # fmt: skip
        raise RequestError(f"option orientation is {letters!r}; it must be one such as RAS or LIA")
    if dtype not in ("uint8", "float32"):
        raise RequestError(f"option dtype is {dtype!r}; it must be uint8 or float32")
    for name, least, most in (("spacing", 0.1, 100), ("percentile", 50, 100)):
        if not least <= real(options, name) <= most:
            msg = f"option {name} is {options[name]!r}; it must be from {least} to {most}"
            raise RequestError(msg)


def _files(folder: Path, contrasts: Sequence[str]) -> dict[int, dict[str, str]]:
    """The files of each subject by contrast."""
    found: dict[int, dict[str, str]] = {}
    for path in walk(folder, ".nii", ".nii.gz"):
        match = _NAME.fullmatch(path.name)
        if match is None or match.group(4) not in contrasts:
            continue
        own = found.setdefault(int(match.group(1)), {})
        if match.group(4) in own:
            msg = f"{folder}: subject IXI{match.group(1)} has two of {match.group(4)}"
            raise DataError(f"{msg} ({own[match.group(4)]} and {path}); keep one of them")
        own[match.group(4)] = path.as_posix()
    if not found:
        msg = f"{folder}: no files IXI002-Guys-0828-{contrasts[0]}.nii.gz in it or below"
        raise DataError(f"{msg}; unpack the archives there")
    return dict(sorted(found.items()))


def _sexes(
    file: Path, options: Mapping[str, Option], imaged: set[int]
) -> tuple[dict[int, int], list[tuple[str, str]]]:
    """Sex by subject, joined by number and never by row, and who is left out, and why."""
    table = read_xls(file, ("IXI_ID", _SEX, _AGE))
    try:
        numbers = table["IXI_ID"].astype(int)
        sexes = table[_SEX].fillna(0).astype(int)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{file}: IXI_ID and {_SEX} must be numbers ({error})") from error
    banned = set(words(options, "conflicting"))
    known: dict[int, int] = {}
    dropped = []
    for number in sorted(imaged):
        rows = numbers == number
        stated = set(sexes[rows].tolist()) & {1, 2}
        why = ""
        if not rows.any():
            why = "no row in the table"
        elif str(number) in banned or len(stated) > 1:
            why = "rows of the table contradict each other"
        elif not stated:
            why = "no sex in the table"
        elif options["need_age"] and not table[_AGE][rows].notna().any():
            why = "no age in the table"
        if why:
            dropped.append((f"IXI{number:03}", why))
        else:
            known[number] = stated.pop() - 1
    return known, dropped


def _original(number: int, files: tuple[str, ...], label: int) -> Original:
    match = _NAME.fullmatch(files[0].rpartition("/")[2])
    site = match.group(2) if match else ""
    name = f"IXI{number:03}"
    return Original(id=name, label=label, files=files, group=name, site=site)


def _grid(
    affine: NDArray[np.float64],
    stored: tuple[int, ...],
    shape: Sequence[int],
    options: Mapping[str, Option],
) -> NDArray[np.float64]:
    """Affine of voxels (d, h, w) about the middle of a volume, along the axes of the body."""
    letters = str(options["orientation"])
    grid = np.eye(4)
    grid[:3, :3] = 0
    for axis, letter in enumerate(letters):
        world = next(place for place, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        sign = 1 if letter in "RAS" else -1
        grid[world, axis] = sign * real(options, "spacing")
    middle = affine @ [*(np.array(stored) - 1) / 2, 1]
    grid[:3, 3] = middle[:3] - grid[:3, :3] @ ((np.array(shape) - 1) / 2)
    return grid


def _resampled(
    file: Path,
    voxels: NDArray[Any],
    affine: NDArray[np.float64],
    grid: NDArray[np.float64],
    shape: tuple[int, ...],
) -> NDArray[np.float32]:
    """A volume on a grid by linear interpolation, 0 outside of it."""
    from scipy.ndimage import affine_transform

    try:
        back = np.linalg.inv(affine) @ grid
    except np.linalg.LinAlgError as error:
        raise DataError(f"{file}: its affine cannot be inverted; get it again") from error
    if not np.isfinite(back).all():
        raise DataError(f"{file}: its affine is not finite; get it again")
    made: NDArray[np.float32] = affine_transform(
        voxels, back[:3, :3], back[:3, 3], shape, output=np.float32, order=1
    )
    return made


def _notes(options: Mapping[str, Option]) -> tuple[str, ...]:
    contrasts = " and ".join(words(options, "contrasts"))
    orientation, percentile = options["orientation"], real(options, "percentile")
    placed = f"placed by its header, without registration, at {options['spacing']} mm about the"
    scaled = f"scaled from its own range, up to percentile {percentile:g}, to 0 to 255"
    return (
        f"channels are {contrasts}; what the paper's two channels hold is unpublished",
        f"each is {placed} middle of the first, axes {orientation} (inferred from the shape)",
        f"each is {scaled} as {options['dtype']} (inferred)",
    )
