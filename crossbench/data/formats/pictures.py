"""Picture files, none of which is read in part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageOps

from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_DEEP = re.compile(r";16[BLN]|;32|^to ")  # not BGR;16, 16 bits a pixel
_ORIENTATION = 0x0112  # tag of EXIF
_DEEP_GRAY = ("I", "F")  # modes whose values Pillow would cut off at 255


def read_picture(file: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """One picture, (1, H, W) or (1, H, W, 3).

    Args:
        file: The file.
        shape: (C, H, W) of a task's sample, of which C alone counts: where it is 1, a colour
            picture whose channels are equal becomes gray; where it is 3, a gray one is repeated.

    Raises:
        DataError: If it is damaged, or would be read in part.
    """
    pixels, _ = decode_picture(file)
    return in_channels(pixels, shape[0])[None]


def decode_picture(file: Path, *, upright: bool = False) -> tuple[NDArray[Any], tuple[str, ...]]:
    """One picture, (H, W) or (H, W, 3), and the traits of the file that decoding has removed.

    Args:
        file: The file.
        upright: Whether to turn it as its EXIF orientation says.

    Raises:
        DataError: If it is damaged, or would be read in part.
    """
    try:
        with Image.open(file) as picture:
            check_picture(picture, deep_gray=True)
            traits = tuple(_traits(picture))
            shown = ImageOps.exif_transpose(picture) if upright else picture
            pixels = np.asarray(shown if is_gray(picture) else shown.convert("RGB"))
    except Exception as error:  # decoders raise what they like
        raise DataError(f"{file}: cannot be read as a picture ({error}); save it anew") from error
    return pixels, traits


def in_channels(pixels: NDArray[Any], channels: int) -> NDArray[Any]:
    """(H, W) or (H, W, 3) pixels in one channel, where they are gray, or in three."""
    if pixels.ndim == 2:
        return np.repeat(pixels[..., None], 3, axis=-1) if channels == 3 else pixels
    return pixels[..., 0] if channels == 1 and is_copied(pixels) else pixels


def is_copied(pixels: NDArray[Any]) -> bool:
    """Whether the three channels of (H, W, 3) pixels are equal."""
    return bool((pixels == pixels[..., :1]).all())


def _traits(picture: Image.Image) -> Iterator[str]:
    """Changes that decoding an opened picture to gray or RGB makes."""
    if picture.mode in ("P", "PA", "1", "CMYK", "YCbCr", "LAB", "HSV"):
        yield {"P": "palette", "PA": "palette", "1": "black and white"}.get(
            picture.mode, picture.mode
        )
    if "A" in picture.getbands() or "transparency" in picture.info:
        yield "alpha"
    if picture.getexif().get(_ORIENTATION, 1) != 1:
        yield "turned"


def is_gray(picture: Image.Image) -> bool:
    """Whether a picture has one channel, of 8 bits or more."""
    return picture.mode == "L" or picture.mode.startswith(_DEEP_GRAY)


def check_picture(picture: Image.Image, *, deep_gray: bool) -> None:
    """Refuse what would be read in part: further pages, and bits beyond the eighth.

    Args:
        picture: An opened picture, not yet decoded.
        deep_gray: Whether one channel may have more than 8 bits.

    Raises:
        ValueError: With the reason; the caller names the file.
    """
    pages = getattr(picture, "n_frames", 1)
    if pages > 1 and picture.format != "MPO":  # of which the others are views of the first
        raise ValueError(f"holds {pages} pictures; save them one by one")
    deep = [mode for mode in _stored_modes(picture) if _DEEP.search(mode)]
    if is_gray(picture):
        deep = [] if deep_gray or picture.mode == "L" else [picture.mode]
    if deep:
        raise ValueError(f"has values of more than 8 bits ({deep[0]}), which would be cut off")


def _stored_modes(picture: Image.Image) -> list[str]:
    """Storage modes of the pixels, as Pillow's decoders name them: ``RGB;16B``."""
    modes = []
    for tile in getattr(picture, "tile", []):
        arguments = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        modes += [argument for argument in arguments if isinstance(argument, str)]
        modes += [f"to {each}" for each in arguments if _is_beyond(tile[0], each)]
    return modes


def _is_beyond(decoder: str, argument: object) -> bool:
    """Whether a PPM file's greatest value has more than 8 bits."""
    return decoder.startswith("ppm") and isinstance(argument, int) and argument > 255
