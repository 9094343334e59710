from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from crossbench.data.formats.pictures import check_picture, is_gray


def png(bits: int, kind: int, channels: int) -> bytes:
    """A 4 x 4 PNG file of noise, in depths that Pillow reads and does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    row = b"\0" + np.random.default_rng(0).bytes(4 * channels * bits // 8)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, bits, kind, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(4 * row)) + chunk(b"IEND", b"")
    )


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def saved(mode: str, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (4, 4)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [png(8, 2, 3), png(8, 0, 1), png(8, 4, 2), png(8, 6, 4), b"P6 2 2 255\n" + bytes(12)]
    + [saved(mode, kind) for mode, kind in (("CMYK", "JPEG"), ("P", "PNG"), ("RGB", "WEBP"))],
)
def test_pictures_of_eight_bits_are_read(content: bytes) -> None:
    check_picture(opened(content), deep_gray=False)


@pytest.mark.parametrize(
    "content", [png(16, 2, 3), png(16, 4, 2), png(16, 6, 4), b"P6 2 2 65535\n" + bytes(24)]
)
@pytest.mark.parametrize("deep_gray", [True, False])
def test_colours_of_more_than_eight_bits_would_be_cut_off(content: bytes, deep_gray: bool) -> None:
    with pytest.raises(ValueError, match=r"has values of more than 8 bits \(.+\), which would be"):
        check_picture(opened(content), deep_gray=deep_gray)


@pytest.mark.parametrize("content", [png(16, 0, 1), saved("I;16", "TIFF"), saved("F", "TIFF")])
def test_deep_gray_is_read_as_stored_or_refused(content: bytes) -> None:
    assert is_gray(opened(content))
    check_picture(opened(content), deep_gray=True)
    with pytest.raises(ValueError, match="has values of more than 8 bits"):
        check_picture(opened(content), deep_gray=False)


def test_pages_beyond_the_first_would_be_lost() -> None:
    stream = io.BytesIO()
    page = Image.new("L", (4, 4))
    page.save(stream, "TIFF", save_all=True, append_images=[page, page])
    with pytest.raises(ValueError, match="holds 3 pictures; save them one by one"):
        check_picture(opened(stream.getvalue()), deep_gray=True)
