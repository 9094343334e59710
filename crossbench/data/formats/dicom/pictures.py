"""Pictures of DICOM files, as they are shown: windowed, and bright where there is more."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.dicom.bounds import check_form, quiet
from crossbench.data.formats.dicom.decoding import decode
from crossbench.errors import DataError
from crossbench.errors.foreign import message_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pydicom import Dataset


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A picture.

    Attributes:
        pixels: (H, W), or (H, W, 3) of colour; uint8 where the file has 8 bits or fewer, else
            uint16 whose 0 and 65535 are black and white.
        spacing: Distances of pixels in mm along H and W; None where the file does not say.
        notes: What was done, such as ``inverted (MONOCHROME1)``.
    """

    pixels: NDArray[Any]
    spacing: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()


def read_dicom_picture(file: Path, *, frame: str = "") -> Picture:
    """The picture of a file as its header says that it is shown.

    Stored values go through the modality's rescaling or table and the first VOI table or window;
    where there is none, the whole range of stored values is shown. MONOCHROME1 is inverted, so
    that more is brighter everywhere; YBR and palettes become RGB.

    Args:
        file: A radiograph, ultrasound picture, or any other file with pixels.
        frame: Which frame of several, ``first`` or ``middle``; empty refuses them.

    Raises:
        DataError: If it is damaged, holds several frames of which none was chosen, or a package
            that decodes it is not installed.
    """
    if find_spec("pydicom") is None:
        msg = f"{file}: DICOM is read by pydicom, which is not installed"
        raise DataError(f"{msg}; pip install 'crossbench[data]'")
    try:
        with quiet():
            return _read(file, frame)
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    except Exception as error:  # decoders raise what they like
        why = message_of(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{file}: cannot be read as a DICOM picture ({why})") from error


def _read(file: Path, chosen: str) -> Picture:
    from pydicom import dcmread

    syntax = check_form(file)
    data = dcmread(file, force=True)
    if "Rows" not in data or "PixelData" not in data:
        raise DataError("no DICOM file with pixels")
    frames = int(data.get("NumberOfFrames") or 1)
    if frames > 1 and chosen not in ("first", "middle"):
        raise DataError(f"holds {frames} frames; --dicom-frame first or middle chooses one")
    index = frames // 2 if frames > 1 and chosen == "middle" else 0
    notes = [f"frame {index + 1} of {frames}"] if frames > 1 else []
    stored, photometric = decode(data, syntax, index)
    if stored.ndim == 3:
        return Picture(pixels=_as_bytes(stored), spacing=_spacing(data), notes=tuple(notes))
    shown, low, high, how = _windowed(stored, data)
    notes += how
    unit = np.clip((shown - low) / (high - low), 0, 1)
    if photometric == "MONOCHROME1":
        unit, notes = 1 - unit, [*notes, "inverted (MONOCHROME1)"]
    deep = int(data.get("BitsStored") or data.BitsAllocated) > 8
    top, kind = (65535, np.uint16) if deep else (255, np.uint8)
    pixels = np.rint(unit * top).astype(kind)
    return Picture(pixels=pixels, spacing=_spacing(data), notes=tuple(notes))


def _windowed(
    stored: NDArray[Any], data: Dataset
) -> tuple[NDArray[np.float64], float, float, list[str]]:
    """Values as they are shown, what is black, what is white, and what was applied."""
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(stored, data)
    table = data.get("VOILUTSequence")
    if table and (values == np.rint(values)).all():
        bits = int(table[0].LUTDescriptor[2])
        shown = apply_voi_lut(values.astype(np.int64), data)
        return shown.astype(np.float64), 0.0, float(2**bits - 1), ["VOI table applied"]
    low, high = sorted(_range(data))
    if data.get("WindowWidth") and data.get("WindowCenter") is not None:
        shown = apply_voi_lut(values, data, prefer_lut=False)
        return shown.astype(np.float64), low, high, ["window applied"]
    return values.astype(np.float64), low, high, []


def _range(data: Dataset) -> tuple[float, float]:
    """The values that stored ones of all bits become."""
    if table := data.get("ModalityLUTSequence"):
        return 0.0, float(2 ** int(table[0].LUTDescriptor[2]) - 1)
    bits = int(data.get("BitsStored") or data.BitsAllocated)
    lowest = -(2 ** (bits - 1)) if data.get("PixelRepresentation") else 0
    slope, offset = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
    return lowest * slope + offset, (lowest + 2**bits - 1) * slope + offset


def _as_bytes(colour: NDArray[Any]) -> NDArray[np.uint8]:
    """8 bits a channel; of colour tables of 16 bits, the upper ones."""
    return (colour >> 8 if colour.dtype.itemsize > 1 else colour).astype(np.uint8)


def _spacing(data: Dataset) -> tuple[float, float] | None:
    for name in ("PixelSpacing", "ImagerPixelSpacing"):
        values = data.get(name)
        if values is not None and len(values) == 2:
            return float(values[0]), float(values[1])
    return None
