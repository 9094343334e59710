"""DICOM files made on the spot, with planted identifiers."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.fileset import FileSet
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    MRImageStorage,
    UltrasoundMultiFrameImageStorage,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ROOT = "1.2.826.0.1.3680043.8.498."
ROWS, COLUMNS = 12, 10

#: What must not leave the reader.
PLANTED = {
    "PatientName": "Zwiebelfisch^Xaver",
    "PatientID": "PLANTED-4711",
    "PatientBirthDate": "19370429",
    "PatientAddress": "Sesamstrasse 77",
    "AccessionNumber": "ACC0815X",
    "InstitutionName": "Spital Unterhinterdorf",
    "ReferringPhysicianName": "Quacksalber^Doktor",
}


def dataset(**changed: Any) -> Dataset:
    """A CT slice of known voxels, with planted identifiers."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    plain = {
        **PLANTED,
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": ROOT + "9.1",
        "Modality": "CT",
        "StudyInstanceUID": ROOT + "1",
        "SeriesInstanceUID": ROOT + "2",
        "SeriesNumber": 1,
        "InstanceNumber": 1,
        "StudyDate": "20010203",
        "StudyTime": "040506",
        "StudyID": "S77",
        "Manufacturer": "SIEMENS",
        "PatientPosition": "HFS",
        "ProtocolName": "made",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "Rows": ROWS,
        "Columns": COLUMNS,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "PixelSpacing": [0.8, 0.7],
        "SliceThickness": 2,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "ImagePositionPatient": [-10.0, -12.0, 0.0],
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "PixelData": pixels(0).tobytes(),
    }
    for name, value in (plain | changed).items():
        if value is not None:
            setattr(data, name, value)
    return data


def pixels(seed: int) -> np.ndarray:
    """(rows, columns) stored values of 12 bits."""
    return np.random.default_rng(seed).integers(0, 4000, (ROWS, COLUMNS)).astype("<u2")


def axial(count: int = 20, *, uid: int = 2, heights: Any = None, **changed: Any) -> list[Dataset]:
    """A series of axial slices, 2 mm apart."""
    places = range(0, 2 * count, 2) if heights is None else heights
    return [
        dataset(
            **{
                "SOPInstanceUID": f"{ROOT}9.{uid}.{number + 1}",
                "SeriesInstanceUID": f"{ROOT}{uid}",
                "InstanceNumber": number + 1,
                "ImagePositionPatient": [-10.0, -12.0, float(height)],
                "PixelData": pixels(100 * uid + number).tobytes(),
                **changed,
            }
        )
        for number, height in enumerate(places)
    ]


def tilted(count: int = 20, degrees: float = 15.0, **changed: Any) -> list[Dataset]:
    """A CT series whose gantry was tilted."""
    turn = np.deg2rad(degrees)
    way = [1, 0, 0, 0, float(np.cos(turn)), float(-np.sin(turn))]
    return axial(count, ImageOrientationPatient=way, GantryDetectorTilt=degrees, **changed)


def mr(count: int = 8, **changed: Any) -> list[Dataset]:
    """An MR series without rescaling."""
    kind = {"SOPClassUID": MRImageStorage, "Modality": "MR", "ImageType": ["ORIGINAL", "PRIMARY"]}
    return axial(count, **kind | {"RescaleSlope": None, "RescaleIntercept": None} | changed)


def sagittal(count: int = 8) -> list[Dataset]:
    """An MR series of sagittal slices, 2 mm apart."""
    series = mr(count, ImageOrientationPatient=[0, 1, 0, 0, 0, -1])
    for number, each in enumerate(series):
        each.ImagePositionPatient = [2.0 * number, -12.0, 10.0]
    return series


def radiograph(**changed: Any) -> Dataset:
    """A computed radiograph without a window."""
    plain = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "Modality": "CR",
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "ImagePositionPatient": None,
        "ImageOrientationPatient": None,
    }
    return dataset(**plain | changed)


def cine(frames: int = 5) -> Dataset:
    """An ultrasound loop; frame k has the value 10 * k everywhere."""
    values = np.repeat(np.arange(frames, dtype=np.uint8) * 10, ROWS * COLUMNS)
    return radiograph(
        SOPClassUID=UltrasoundMultiFrameImageStorage,
        Modality="US",
        NumberOfFrames=frames,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=values.tobytes(),
    )


def enhanced(count: int = 6, times: int = 1, echoes: Iterable[float] = (10.0,)) -> Dataset:
    """An MR volume in one multi-frame file, or several time points or echoes."""
    groups, stored = [], []
    for turn, echo in enumerate([*echoes] * times):
        for number in range(count):
            groups.append(_frame(number, turn, echo, timed=times > 1))
            stored.append(pixels(1000 * turn + number))
    shared = Dataset()
    shared.PlaneOrientationSequence = _sequence(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    shared.PixelMeasuresSequence = _sequence(PixelSpacing=[0.8, 0.7], SliceThickness=2)
    return dataset(
        SOPClassUID=EnhancedMRImageStorage,
        Modality="MR",
        ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        NumberOfFrames=len(groups),
        DimensionIndexSequence=Sequence([_index(*pair) for pair in _DIMENSIONS]),
        ImagePositionPatient=None,
        ImageOrientationPatient=None,
        PixelSpacing=None,
        RescaleSlope=None,
        RescaleIntercept=None,
        SharedFunctionalGroupsSequence=Sequence([shared]),
        PerFrameFunctionalGroupsSequence=Sequence(groups),
        PixelData=np.stack(stored).tobytes(),
    )


_FRAME_CONTENT = 0x00209111

#: What the indices of a frame count, and the group that it is in: stack, position, time.
_DIMENSIONS = (
    (0x00209056, _FRAME_CONTENT),
    (0x00209057, _FRAME_CONTENT),
    (0x00209128, _FRAME_CONTENT),
)


def _index(pointer: int, group: int) -> Dataset:
    item = Dataset()
    item.DimensionIndexPointer, item.FunctionalGroupPointer = pointer, group
    return item


def _frame(number: int, turn: int, echo: float, *, timed: bool) -> Dataset:
    group = Dataset()
    place = [-10.0, -12.0, 2.0 * number]
    group.PlanePositionSequence = _sequence(ImagePositionPatient=place)
    group.MREchoSequence = _sequence(EffectiveEchoTime=echo)
    group.FrameContentSequence = _sequence(
        StackID="1",
        InStackPositionNumber=number + 1,
        DimensionIndexValues=[1, number + 1, turn + 1],
    )
    if timed:
        group.FrameContentSequence[0].TemporalPositionIndex = turn + 1
    return group


def _sequence(**values: Any) -> Sequence:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return Sequence([item])


def write(folder: Path, series: Iterable[Dataset], *, seed: int = 0) -> list[Path]:
    """Write datasets in shuffled order under names without endings, in the order of the series."""
    folder.mkdir(parents=True, exist_ok=True)
    series = list(series)
    names = np.random.default_rng(seed).permutation(len(series))
    return [save(folder / f"I{name:05d}", data) for data, name in zip(series, names, strict=True)]


def save(file: Path, data: Dataset) -> Path:
    """Write one dataset."""
    file.parent.mkdir(parents=True, exist_ok=True)
    data.file_meta.MediaStorageSOPClassUID = data.get("SOPClassUID", MediaStorageDirectoryStorage)
    data.file_meta.MediaStorageSOPInstanceUID = data.get("SOPInstanceUID", ROOT + "1")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data.save_as(file, enforce_file_format=True)
    return file


def write_media(folder: Path, files: Iterable[Path]) -> None:
    """Files with a DICOMDIR, as on a disc."""
    media = FileSet()
    for file in files:
        media.add(file)
    media.write(folder)
    media._stage["t"].cleanup()
