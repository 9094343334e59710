"""Headers of DICOM files: the few elements that tell what a file is, and no pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from crossbench.data.formats.dicom.bounds import DEFLATED, NO_DICOM, check_form, check_pixels, quiet
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pydicom import Dataset

#: What may tell the volumes of one series apart, in the order in which it is tried.
TELLING = {
    "EchoTime": "echo times",
    "EchoNumbers": "echoes",
    "ImageType": "image types",
    "TemporalPositionIdentifier": "time points",
    "NominalPercentageOfCardiacPhase": "cardiac phases",
    "TriggerTime": "trigger times",
    "DiffusionBValue": "b-values",
    "InversionTime": "inversion times",
    "FlipAngle": "flip angles",
    "ConvolutionKernel": "kernels",
    "AcquisitionNumber": "acquisitions",
    "AcquisitionTime": "acquisition times",
}
_OF_FRAMES = {
    "EchoTime": "EffectiveEchoTime",
    "ImageType": "FrameType",
    "TemporalPositionIdentifier": "TemporalPositionIndex",
    "TriggerTime": "NominalCardiacTriggerDelayTime",
}
_TAGS = [
    "SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID", "Modality", "SeriesDescription",
    "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "InstanceNumber", "PixelSpacing",
    "ImagePositionPatient", "ImageOrientationPatient", "Rows", "Columns", "NumberOfFrames",
    "SamplesPerPixel", "BitsAllocated", "PhotometricInterpretation", "DirectoryRecordSequence",
    "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "BurnedInAnnotation",
    *TELLING,
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One slice of a volume: a file, or a frame of one.

    Attributes:
        file: The file.
        instance: SOP instance UID; of a frame, with its number.
        number: Instance number, or the number of the frame; None where it is not known.
        position: (3,) of the first voxel, in mm (LPS); empty where it is not known.
        orientation: (6,) directions of a row and a column; empty where they are not known.
        form: Rows, columns and pixel spacing.
        telling: Values of what is in :data:`TELLING`.
    """

    file: Path
    instance: str = field(repr=False)
    number: int | None
    position: tuple[float, ...]
    orientation: tuple[float, ...]
    form: tuple[Any, ...]
    telling: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Header:
    """Header of a DICOM file.

    Attributes:
        file: The file.
        sop_class: SOP class UID.
        modality: Such as ``CT``.
        image_type: Values of the image type, upper case.
        description: Description of the series.
        patient: PatientID.
        study: Study instance UID.
        series: Series instance UID.
        frames: Number of frames.
        has_pixels: Whether there are pixels.
        slices: Its slices, one a frame where frames say where they lie.
        burnt: Whether it says that text is burnt into its pixels.
        named: Of a DICOMDIR, the files that it names, as parts of a path.
    """

    file: Path
    sop_class: str
    modality: str
    image_type: tuple[str, ...]
    description: str = field(repr=False)
    patient: str = field(repr=False)
    study: str = field(repr=False)
    series: str = field(repr=False)
    frames: int
    has_pixels: bool
    slices: tuple[Slice, ...]
    burnt: bool = False
    named: tuple[tuple[str, ...], ...] = ()


def read_header(file: Path) -> Header:
    """The header of a DICOM file.

    Raises:
        DataError: If it is no DICOM file, damaged, or claims more pixels than it has; the message
            does not name the file.
    """
    try:
        with quiet():
            return _describe(file, *_read(file))
    except DataError:
        raise
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror or type(error).__name__})") from error
    except Exception as error:  # its message may quote what the header says of a patient
        raise DataError("damaged DICOM header") from error


def _read(file: Path) -> tuple[Dataset, str, int]:
    """The elements that are needed, the transfer syntax, and how many bytes of pixels there are."""
    from pydicom import dcmread

    syntax = check_form(file)
    with file.open("rb") as stream:
        data = dcmread(stream, stop_before_pixels=True, force=True, specific_tags=_TAGS)
        if syntax == DEFLATED:  # the stream is not the one that was read from
            return data, syntax, 1
        return data, syntax, _pixel_bytes(stream, implicit=bool(data.original_encoding[0]))


def _pixel_bytes(stream: IO[bytes], *, implicit: bool) -> int:
    stream.read(8 if implicit else 12)  # tag, type and length of the pixels
    here = stream.tell()
    return stream.seek(0, 2) - here


def _describe(file: Path, data: Dataset, syntax: str, pixels: int) -> Header:
    sop_class, instance = _text(data, "SOPClassUID"), _text(data, "SOPInstanceUID")
    directory = tuple(_named(data))
    if not sop_class and not instance and not directory:
        raise DataError(NO_DICOM)
    frames = _integer(data, "NumberOfFrames") or 1
    if "Rows" in data and pixels > 0:
        sides = (_integer(data, "Rows") or 0, _integer(data, "Columns") or 0)
        form = (frames, *sides, _integer(data, "SamplesPerPixel") or 1)
        bits, photometric = (
            _integer(data, "BitsAllocated"),
            _text(data, "PhotometricInterpretation"),
        )
        check_pixels(form, bits or 8, syntax, pixels, photometric)
    return Header(
        file=file,
        sop_class=sop_class,
        modality=_text(data, "Modality").upper(),
        image_type=tuple(each.upper() for each in _texts(data, "ImageType")),
        description=_text(data, "SeriesDescription"),
        patient=_text(data, "PatientID"),
        study=_text(data, "StudyInstanceUID"),
        series=_text(data, "SeriesInstanceUID"),
        frames=frames,
        has_pixels="Rows" in data and pixels > 0,
        slices=tuple(_slices(file, data, frames)),
        burnt=_text(data, "BurnedInAnnotation").upper() == "YES",
        named=directory,
    )


def _slices(file: Path, data: Dataset, frames: int) -> Iterator[Slice]:
    """The slices of a file: itself, or each frame where the frames say where they lie."""
    groups = list(data.get("PerFrameFunctionalGroupsSequence") or [])
    if len(groups) != frames:
        yield _slice(file, [data], _integer(data, "InstanceNumber"))
        return
    shared = [
        item for one in list(data.get("SharedFunctionalGroupsSequence") or [])[:1]
        for item in _items(one)
    ]  # fmt: skip
    for number, group in enumerate(groups, 1):
        yield _slice(file, [*_items(group), *shared, data], number, frame=str(number))


def _items(group: Dataset) -> Iterator[Dataset]:
    """The functional groups of a frame, and what they hold one level deeper."""
    for element in group:
        if element.VR == "SQ" and element.value:
            yield element.value[0]
            yield from _items(element.value[0])


def _slice(file: Path, places: list[Dataset], number: int | None, frame: str = "") -> Slice:
    telling = {}
    for name in TELLING:
        names = (_OF_FRAMES.get(name, name), name) if frame else (name,)
        found = (_texts(place, each) for each in names for place in places)
        telling[name] = "\\".join(next((values for values in found if values), ()))
    first = dict.fromkeys(("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"), ())
    values: dict[str, tuple[float, ...]] = {
        name: next((v for place in places if (v := _floats(place, name))), ()) for name in first
    }
    position, orientation, spacing = values.values()
    return Slice(
        file=file,
        instance=_text(places[-1], "SOPInstanceUID") + (f"#{frame}" if frame else ""),
        number=number,
        position=position if len(position) == 3 else (),
        orientation=orientation if len(orientation) == 6 else (),
        form=(_integer(places[-1], "Rows"), _integer(places[-1], "Columns"), spacing),
        telling=telling,
    )


def _named(data: Dataset) -> Iterator[tuple[str, ...]]:
    """The files that a DICOMDIR names."""
    for record in data.get("DirectoryRecordSequence") or []:
        if parts := _texts(record, "ReferencedFileID"):
            yield parts


# ---------------------------------------------------------------------------------- values


def _value(data: Dataset, name: str) -> Any:
    try:
        return data.get(name)
    except Exception:  # noqa: BLE001  (a value that is not what its type says)
        return None


def _texts(data: Dataset, name: str) -> tuple[str, ...]:
    value = _value(data, name)
    if value is None or value == "":
        return ()
    many: Iterable[Any] = [value] if isinstance(value, (str, int, float)) else value
    try:
        return tuple(str(each).strip() for each in many)
    except TypeError:
        return (str(value).strip(),)


def _text(data: Dataset, name: str) -> str:
    return "\\".join(_texts(data, name))


def _floats(data: Dataset, name: str) -> tuple[float, ...]:
    try:
        numbers = tuple(float(each) for each in _texts(data, name))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _integer(data: Dataset, name: str) -> int | None:
    numbers = _floats(data, name)
    return int(numbers[0]) if len(numbers) == 1 else None
