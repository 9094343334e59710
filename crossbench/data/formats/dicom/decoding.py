"""Pixels of one frame, decoded by pydicom with the decoders of pylibjpeg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossbench.data.formats.dicom.bounds import DEFLATED, NATIVE, check_pixels
from crossbench.data.formats.dicom.codestreams import check_frame
from crossbench.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pydicom import Dataset

_LARGEST_FRAME = 1 << 26  # samples: 8192x8192 gray; a film of a breast has 50 million
_RLE = "1.2.840.10008.1.2.5"


def decode(data: Dataset, syntax: str, index: int) -> tuple[NDArray[Any], str]:
    """Stored values of a frame, (H, W), or RGB (H, W, 3); and the photometric interpretation.

    Args:
        data: The file's elements.
        syntax: Its transfer syntax UID; empty where the file does not say.
        index: The frame, from 0.

    Raises:
        DataError: If header and pixels contradict each other, or are too many.
        Exception: What decoders raise on damaged frames, or where one is not installed.
    """
    from pydicom.encaps import get_frame
    from pydicom.pixels.processing import apply_color_lut
    from pydicom.pixels.utils import pixel_array

    rows, columns, samples = int(data.Rows), int(data.Columns), int(data.SamplesPerPixel)
    frames, photometric = int(data.get("NumberOfFrames") or 1), str(data.PhotometricInterpretation)
    form, size = (frames, rows, columns, samples), len(data.PixelData)
    check_pixels(form, int(data.BitsAllocated), syntax, size, photometric)
    if rows * columns * samples > _LARGEST_FRAME:
        claimed = f"{rows}x{columns}x{samples}"
        raise DataError(f"a frame of {claimed} values; {_LARGEST_FRAME:,} are read, so resize it")
    native = syntax in (*NATIVE, "", DEFLATED)
    if not native and syntax != _RLE:
        frame = get_frame(data.PixelData, index, number_of_frames=frames)
        check_frame(frame, rows, columns, samples)
    # pylibjpeg-rle panics on damaged frames, past every "except Exception"
    plugin = "" if native else "pydicom" if syntax == _RLE else "pylibjpeg"
    pixels = pixel_array(data, index=index, decoding_plugin=plugin)
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, data)
    return pixels, photometric
