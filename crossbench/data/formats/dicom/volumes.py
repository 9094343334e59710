"""Volumes of DICOM series, made by the program of the package dcm2niix."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crossbench.data.formats.dicom.bounds import check_form, quiet
from crossbench.data.formats.dicom.decoding import decode
from crossbench.errors import DataError
from crossbench.errors.foreign import message_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from crossbench.data.formats.dicom.series import Series

_SECONDS = 120.0  # that a series may take, and as much again for each GiB of its files
_ROOM = 1 << 31  # bytes of memory, and of each file, beside what follows from the files' sizes
_EXPANSION = 64  # bytes of memory for each byte of the files
_DRIFT = 1.0  # degrees that rounded positions do not reach
_FLAT = 1e-9  # mm³ of a voxel
_LONGEST = 1 << 16  # bytes kept of what the program says
_DAMAGED = "its files may be damaged"

# The user's own defaults are not read; no sidecar, whose fields may name people; no compression.
_FLAGS = ("-g", "i", "-b", "n", "-ba", "y", "-z", "n", "-w", "2", "-d", "0", "-f", "volume")

_CORRECTION = re.compile(r"(_Tilt)?(_Eq)?(_\d+)?$")
_CORRECTED = {
    "_Tilt": "gantry tilt corrected by dcm2niix",
    "_Eq": "unequal slice distances made equal by dcm2niix",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Volume:
    """A volume in RAS orientation.

    Attributes:
        voxels: (D, H, W) from inferior to superior, posterior to anterior and left to right; int16
            where all rescaled intensities (HU of CT) are such integers, else float32.
        affine: (4, 4) float64, from voxel indices (x, y, z) = (W, H, D) to mm in RAS.
        spacing: Distances of voxels in mm along D, H and W.
        notes: What was chosen of the series, and what dcm2niix corrected.
    """

    voxels: NDArray[Any]
    affine: NDArray[np.float64]
    spacing: tuple[float, float, float]
    notes: tuple[str, ...] = ()


def read_volume(series: Series) -> Volume:
    """The volume of a series as dcm2niix makes it, turned to RAS without resampling.

    Its corrected volume is taken where it makes one: of a tilted gantry, of unequal distances.
    The affine is its own too: after a gantry tilted to negative degrees, it is off by a shift.

    Args:
        series: Of :func:`list_series`, of kind ``volume``.

    Raises:
        DataError: If the series is refused, its files are damaged, dcm2niix makes another volume
            of it than its headers tell or takes too long, or it is not installed.
    """
    where = str(series.files[0])
    if len(series.files) > 1:
        where += f" and {len(series.files) - 1} more"
    if series.refused:
        raise DataError(f"{where}: {series.refused}")
    lacking = [name for name in ("dcm2niix", "nibabel") if find_spec(name) is None]
    if lacking:
        msg = f"{where}: DICOM volumes are read by {' and '.join(lacking)}, not installed"
        raise DataError(f"{msg}; pip install 'crossbench[data]'")
    with tempfile.TemporaryDirectory(prefix="crossbench-dicom-") as folder:
        try:
            said = _convert(series, Path(folder))
            return _read(Path(folder, "out"), series, said)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise DataError(f"{where}: cannot be converted in {folder} ({why})") from error


def _convert(series: Series, folder: Path) -> str:
    """Run dcm2niix on links to the files of one series; what it said."""
    import dcm2niix

    given, made, log = folder / "in", folder / "out", folder / "log"
    given.mkdir()
    made.mkdir()
    if series.frames:
        _keep_frames(series, given)
    else:
        for number, file in enumerate(series.files):
            (given / f"{number:06d}.dcm").symlink_to(file.resolve())
    size = sum(file.stat().st_size for file in given.iterdir())
    seconds = _SECONDS * (1 + size / 2**30)
    command = [dcm2niix.bin, *_FLAGS, "-o", str(made), str(given)]
    with log.open("wb") as words:
        process = subprocess.Popen(  # noqa: S603  (a program of a package, no shell)
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words, cwd=folder, env={}
        )
        try:
            _limit(process.pid, _ROOM + _EXPANSION * size)
            process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            msg = f"dcm2niix took longer than {seconds:.0f} s; {_DAMAGED}"
            raise DataError(msg) from error
        finally:
            process.kill()
            process.wait()
    if process.returncode < 0:
        raise DataError(f"dcm2niix was ended by signal {-process.returncode}; {_DAMAGED}")
    with log.open("rb") as stream:
        return stream.read(_LONGEST).decode(errors="replace").replace(str(folder), "")


def _keep_frames(series: Series, folder: Path) -> None:
    try:
        _write_frames(series.files[0], series.frames, folder / "frames.dcm")
    except (DataError, OSError):
        raise
    except Exception as error:  # decoders raise what they like
        raise DataError(f"cannot be decoded ({message_of(error)[:200]})") from error


def _limit(process: int, room: int) -> None:
    """Limit the memory of a process and the files it writes, where the system can."""
    if sys.platform == "linux":
        import resource

        with suppress(ProcessLookupError):  # it has ended
            for what in (resource.RLIMIT_AS, resource.RLIMIT_FSIZE):
                resource.prlimit(process, what, (room, room))


# ------------------------------------------------------------------------------ what it made


class _Made(NamedTuple):
    """One volume in a file that dcm2niix made: the corrected one, where there is one."""

    file: Path
    time: int
    plain_shape: tuple[int, ...]


def _read(folder: Path, series: Series, said: str) -> Volume:
    try:
        made = list(_made(folder))
        _check(made, series, said)
        chosen = made[series.choice.volume - 1 if len(made) > 1 else 0]
        voxels, affine = _in_ras(chosen)
    except DataError:
        raise
    except Exception as error:  # nibabel raises what it likes
        raise DataError(f"dcm2niix makes what is no NIfTI; {_DAMAGED}") from error
    _check_drift(series, chosen)
    corrected = [words for name, words in _CORRECTED.items() if name in chosen.file.stem]
    lengths = [round(float(each), 6) for each in np.sqrt((affine[:3, :3] ** 2).sum(axis=0))]
    return Volume(
        voxels=voxels,
        affine=affine,
        spacing=(lengths[2], lengths[1], lengths[0]),
        notes=(*series.notes, *corrected),
    )


def _check(made: Sequence[_Made], series: Series, said: str) -> None:
    """Refuse what is not the one volume of which the headers tell.

    Raises:
        DataError: With the first complaint of dcm2niix.
    """
    count, chosen = len(made), series.choice.volume
    if not count:
        raise DataError(f"dcm2niix makes no volume of it{_words(said)}")
    if count > 1 and not 1 <= chosen <= count:
        raise DataError(f"dcm2niix makes {count} volumes of it; --dicom-volume N chooses one")
    if count > 1 and series.volumes > 1:
        raise DataError(f"dcm2niix makes {count} volumes of the one that was chosen; {_DAMAGED}")
    for found in (each.plain_shape[:3] for each in made):
        if series.shape and sorted(found) != sorted(series.shape):
            sizes = ["x".join(map(str, shape)) for shape in (found, series.shape[::-1])]
            msg = "dcm2niix makes {} voxels of it, and its headers tell of {}".format(*sizes)
            raise DataError(f"{msg}; {_DAMAGED}{_words(said)}")


def _check_drift(series: Series, made: _Made) -> None:
    """Refuse a stack that leans and was not set upright, which dcm2niix does of a tilted gantry.

    Raises:
        DataError: With the angle.
    """
    row, column = series.drift
    if row > _DRIFT or (column > _DRIFT and "_Tilt" not in made.file.stem):
        msg = f"its slices drift sideways, {max(row, column):.1f} degrees off their normal"
        raise DataError(f"{msg}, which dcm2niix corrects of a tilted gantry alone; resample it")


def _made(folder: Path) -> Iterator[_Made]:
    """Every volume that dcm2niix made, each once."""
    import nibabel

    groups: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.glob("*.nii"), key=lambda file: (len(file.name), file.name)):
        groups[_CORRECTION.sub("", file.stem)].append(file)
    for files in groups.values():
        plain: Any = nibabel.load(files[0])
        shape: tuple[int, ...] = plain.shape
        for time in range(shape[3] if len(shape) > 3 else 1):
            yield _Made(files[-1], time, shape)


def _in_ras(made: _Made) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Voxels (D, H, W) and affine of the closest orientation to RAS, rescaled."""
    import nibabel

    nib: Any = nibabel
    image = nib.load(made.file)
    if not np.isfinite(image.affine).all() or abs(np.linalg.det(image.affine[:3, :3])) < _FLAT:
        raise DataError(f"its voxels have no size or direction; {_DAMAGED}")
    stored = np.asanyarray(image.dataobj.get_unscaled())
    if stored.dtype.fields:
        raise DataError("holds colours, and volumes have one channel; leave it out")
    stored = stored[..., made.time] if stored.ndim > 3 else stored
    voxels = _rescaled(np.atleast_3d(stored), image.dataobj.slope, image.dataobj.inter)
    turned = nib.as_closest_canonical(nib.Nifti1Image(voxels, image.affine))
    return np.ascontiguousarray(np.asanyarray(turned.dataobj).T), np.asarray(turned.affine)


def _rescaled(stored: NDArray[Any], slope: float, inter: float) -> NDArray[Any]:
    """Intensities as int16 where that is exact, else as float32."""
    ends = [float(end) * slope + inter for end in (stored.min(), stored.max())]
    if not np.isfinite(ends).all():
        raise DataError(f"has intensities that are NaN or infinite; {_DAMAGED}")
    whole = stored.dtype.kind in "iu" and float(slope).is_integer() and float(inter).is_integer()
    exact = whole and min(ends) >= -(2**15) and max(ends) < 2**15
    values = np.empty(stored.shape, np.int16 if exact else np.float32, order="F")
    for place in range(stored.shape[2]):  # a slice at a time: float64 takes four times the room
        values[..., place] = stored[..., place].astype(np.float64) * slope + inter
    return values


def _words(said: str) -> str:
    """The first error of dcm2niix, or else its first warning, for a message."""
    for kind in ("error", "warning"):
        found = re.search(rf"^{kind}[: ]+(.{{1,160}})", said, re.IGNORECASE | re.MULTILINE)
        if found:
            return f" ({found[1].strip()})"
    return ""


# ----------------------------------------------------------------------------------------- frames


def _write_frames(file: Path, numbers: Sequence[int], out: Path) -> None:
    """Write a multi-frame file of these frames alone, counted from 1, uncompressed."""
    from pydicom import dcmread
    from pydicom.uid import ExplicitVRLittleEndian

    syntax = check_form(file)
    with quiet():
        data = dcmread(file)
        frames = [decode(data, syntax, number - 1)[0] for number in numbers]
        groups = data.PerFrameFunctionalGroupsSequence
        data.PerFrameFunctionalGroupsSequence = [groups[number - 1] for number in numbers]
        data.NumberOfFrames = len(numbers)
        data.PixelData = np.stack(frames).astype(frames[0].dtype.newbyteorder("<")).tobytes()
        data["PixelData"].is_undefined_length = False
        data["PixelData"].VR = "OW"
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.save_as(out, implicit_vr=False, little_endian=True)
