"""Bounds on reading DICOM: memory, and no warnings from many threads."""

from __future__ import annotations

import threading
import warnings
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEFLATED = "1.2.840.10008.1.2.1.99"
IMPLICIT = "1.2.840.10008.1.2"
NATIVE = (IMPLICIT, "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")

NO_DICOM = "no DICOM file"

#: Bytes that the pixels of one file may decode to, and that a deflated file may unpack to.
LARGEST = 1 << 32
LARGEST_DEFLATED = 1 << 28
_MOST_FRAMES = 100_000

# Without a preamble: the first elements that a file can have.
_BEGINNINGS = {bytes([group, 0, element, 0]) for group in (2, 8) for element in (0, 1, 5, 8, 0x16)}

_lock = threading.Lock()
_kept: list[Any] = []
_readers = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Have pydicom read what breaks the standard without a warning; for many threads at once."""
    from pydicom import config

    global _readers  # noqa: PLW0603  (what is set is the process's)
    with _lock:
        _readers += 1
        if _readers == 1:
            _kept.append((config.settings.reading_validation_mode, warnings.filters[:]))
            config.settings.reading_validation_mode = config.IGNORE
            warnings.simplefilter("ignore")
    try:
        yield
    finally:
        with _lock:
            _readers -= 1
            if _readers == 0:
                config.settings.reading_validation_mode, warnings.filters[:] = _kept.pop()  # type: ignore[index]


def is_dicom(file: Path) -> bool:
    """Whether a file begins as DICOM does, whatever it is called.

    Raises:
        OSError: If it cannot be read.
    """
    with file.open("rb") as stream:
        head = stream.read(132)
    return head[128:] == b"DICM" or head[:4] in _BEGINNINGS


def check_form(file: Path) -> str:
    """The transfer syntax of a DICOM file that does not unpack to gigabytes.

    Raises:
        DataError: If it is none, or does; the message does not name the file.
    """
    from pydicom.filereader import read_file_meta_info

    if not is_dicom(file):
        raise DataError(NO_DICOM)
    with file.open("rb") as stream:
        head = stream.read(132)
    if head[128:] != b"DICM":  # written without a preamble: what its syntax is, pydicom tries out
        return ""
    meta = read_file_meta_info(file)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if syntax == DEFLATED:
        _check_deflated(file, 144 + int(meta.get("FileMetaInformationGroupLength", 0)))
    return syntax


def _check_deflated(file: Path, start: int) -> None:
    unpacker, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    with file.open("rb") as stream:
        stream.seek(start)
        while chunk := unpacker.unconsumed_tail or stream.read(1 << 16):
            size += len(unpacker.decompress(chunk, 1 << 20))
            if size > LARGEST_DEFLATED:
                limit = LARGEST_DEFLATED >> 20
                raise DataError(f"deflated file that unpacks to more than {limit} MiB; inflate it")


def check_pixels(
    form: tuple[int, ...], bits: int, syntax: str, pixels: int, photometric: str = ""
) -> None:
    """Refuse a header that claims more pixels than the file has, or than memory should hold.

    Args:
        form: Frames, rows, columns and samples of a pixel.
        bits: Allocated for a sample.
        syntax: Transfer syntax UID.
        pixels: Bytes of pixel data that the file has.
        photometric: Photometric interpretation.

    Raises:
        DataError: Naming both; not the file.
    """
    frames, rows, columns, samples = form
    if min(form) < 1 or frames > _MOST_FRAMES or bits < 1:
        size = f"{frames} frames of {rows}x{columns}x{samples}, {bits} bits"
        raise DataError(f"damaged DICOM header ({size})")
    claimed = frames * rows * columns * samples * bits // 8
    if photometric == "YBR_FULL_422":  # two pixels share their colour
        claimed = claimed * 2 // 3
    if claimed > LARGEST:
        raise DataError(f"a header that claims {claimed:,} bytes of pixels; {LARGEST:,} are read")
    if syntax in NATIVE and pixels < claimed:
        raise DataError(f"truncated: {pixels:,} of {claimed:,} bytes of pixels are there")
