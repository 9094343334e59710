"""Pixels of one frame, decoded by pydicom with the decoders of pylibjpeg.

A compressed frame states its own size, which is checked before a decoder makes room for it.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from crossbench.data.formats.dicom.bounds import DEFLATED, NATIVE, check_pixels
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
        _check_frame(frame, rows, columns, samples)
    # pylibjpeg-rle panics on damaged frames, past every "except Exception"
    plugin = "" if native else "pydicom" if syntax == _RLE else "pylibjpeg"
    pixels = pixel_array(data, index=index, decoding_plugin=plugin)
    if photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, data)
    return pixels, photometric


# ------------------------------------------------------------------------------ compressed frames


# Start-of-frame markers of JPEG and JPEG-LS; C4, C8 and CC are others.
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_SCAN, _JPEG, _JPEG2000 = 0xDA, b"\xff\xd8", b"\xff\x4f\xff\x51"


def _check_frame(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 frame of another size than the DICOM header says."""
    sizes = set(_jpeg2000(frame) if _JPEG2000 in frame[:200] else _jpeg(frame))
    if sizes != {(rows, columns, samples)}:
        found = " and ".join("x".join(map(str, size)) for size in sorted(sizes)) or "no size"
        told = f"{rows}x{columns}x{samples}"
        raise DataError(f"damaged: its compressed frame has {found}, its header {told}")


def _jpeg2000(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Extent and components of the SIZ segment (ISO 15444-1, A.5.1)."""
    start = frame.index(_JPEG2000) + len(_JPEG2000)
    head = frame[start : start + 38]
    if len(head) == 38:
        width, height, left, top = struct.unpack(">4I", head[4:20])
        yield height - top, width - left, struct.unpack(">H", head[36:38])[0]


def _jpeg(frame: bytes) -> Iterator[tuple[int, int, int]]:
    """Size and components of each start of frame (ISO 10918-1, B.2.2), up to the first scan."""
    place = 2 if frame.startswith(_JPEG) else len(frame)
    while place + 9 < len(frame) and frame[place] == 0xFF:
        marker = frame[place + 1]
        if marker == 0xFF:  # padding
            place += 1
            continue
        if marker == _SCAN:
            return
        length, _, rows, columns, samples = struct.unpack(">HBHHB", frame[place + 2 : place + 10])
        if marker in _FRAMES:
            yield rows, columns, samples
        place += 2 + length
