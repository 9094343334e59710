"""What a compressed frame says of its own size, before a decoder makes room for it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Start-of-frame markers of JPEG and JPEG-LS; C4, C8 and CC are others.
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_SCAN, _JPEG, _JPEG2000 = 0xDA, b"\xff\xd8", b"\xff\x4f\xff\x51"


def check_frame(frame: bytes, rows: int, columns: int, samples: int) -> None:
    """Refuse a JPEG, JPEG-LS or JPEG 2000 frame of another size than the DICOM header says.

    Args:
        frame: The frame.
        rows: What the header says.
        columns: What the header says.
        samples: Of a pixel, as the header says.

    Raises:
        DataError: Naming both sizes; or that the frame has none.
    """
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
