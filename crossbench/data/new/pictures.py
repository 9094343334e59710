"""Preparation of pictures: one size, number of channels and dtype."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from crossbench.data.new.choices import for_axes
from crossbench.data.new.remarks import Remark
from crossbench.data.words import counted
from crossbench.errors import DataError, RequestError
from crossbench.specs.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crossbench.data.new.choices import Choices
    from crossbench.data.new.forms import PictureForm
    from crossbench.specs.preparation import Fit

_SIDE = 224  # pixels that networks are fed, as in most published tasks
_TRAITS = {
    "copied": "{} saved in colour though all channels are equal: taken as gray",
    "palette": "{} with a palette: taken as the colours that it names",
    "black and white": "{} in black and white: taken as 0 and 255",
    "CMYK": "{} in CMYK: converted to RGB",
    "YCbCr": "{} in YCbCr: converted to RGB",
    "LAB": "{} in LAB: converted to RGB",
    "alpha": "{} with transparency, which is dropped",
    "turned": "{} turned upright, as the orientation in their EXIF data says",
}
#: How samples are brought to a size, in words.
FITS = {
    "stretch": "resized to {}, their proportions changed",
    "pad": "resized in proportion to fit into {}, the rest filled with their lowest value",
    "cover": "resized in proportion to cover {}, what stands over cut off",
    "centre": "cut to their middle {}, or filled up to it with their lowest value",
}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Preparation of files, and the form of the samples that it gives.

    Attributes:
        preparation: How.
        shape: (C, *spatial).
        dtype: Of the values.
        input_size: Side that networks are fed, for images.
        remarks: What is to be said.
    """

    preparation: Preparation
    shape: tuple[int, ...]
    dtype: str
    remarks: tuple[Remark, ...]
    input_size: int | None = None


def prepare_pictures(forms: Mapping[str, PictureForm], choices: Choices) -> Prepared:
    """Decide on size, channels and dtype of pictures.

    Raises:
        DataError: If some have 8 bits and others more.
        RequestError: If an option is one of volumes.
    """
    if choices.spacing is not None:
        raise RequestError("--spacing resamples volumes, and these are pictures; use --size")
    dtypes = sorted({form.dtype for form in forms.values()})
    if len(dtypes) > 1:
        counts = Counter(form.dtype for form in forms.values())
        both = " and ".join(f"{counts[dtype]} of {dtype}" for dtype in dtypes)
        msg = f"{choices.folder}: pictures of several depths ({both}), whose values do not compare;"
        raise DataError(f"{msg} convert them to one, or keep each depth in a folder of its own")
    channels = max((form.channels for form in forms.values()), default=1)
    sizes = Counter(form.size for form in forms.values())
    size, fit = _size(sizes, choices)
    preparation = Preparation(size=size, fit=fit, channels=channels, upright=True)
    space = size or next(iter(sizes), (0, 0))
    remarks = (*_on_channels(forms, channels), *_on_sizes(sizes, size, fit))
    side = min(_SIDE, *space)
    return Prepared(
        preparation=preparation,
        shape=(channels, *space),
        dtype=dtypes[0] if dtypes else "uint8",
        remarks=(*remarks, *_on_feeding(space, side), *_on_traits(forms)),
        input_size=side,
    )


def _size(sizes: Counter[tuple[int, ...]], choices: Choices) -> tuple[tuple[int, ...] | None, Fit]:
    fit: Fit = choices.fit or "pad"
    if choices.size is not None:
        height, width = for_axes(choices.size, 2, "--size or --crop")
        return (int(height), int(width)), fit
    return ((_SIDE, _SIDE), fit) if len(sizes) > 1 else (None, "stretch")


def _on_channels(forms: Mapping[str, PictureForm], channels: int) -> Iterator[Remark]:
    gray = sum(form.channels == 1 for form in forms.values())
    if channels == 1:
        text = "All pictures are gray: one channel"
    elif gray:
        text = f"Three channels: {counted(gray, 'gray picture')} of {len(forms):,} repeated in each"
    else:
        text = "All pictures are in colour: three channels"
    yield Remark(topic="channels", text=text)


def _on_sizes(
    sizes: Counter[tuple[int, ...]], size: tuple[int, ...] | None, fit: Fit
) -> Iterator[Remark]:
    rows = np.array(list(sizes)).reshape(-1, 2)
    low, high = rows.min(axis=0), rows.max(axis=0)
    if len(sizes) == 1:
        text = f"All pictures have {_pixels(low)} pixels (HxW)"
    else:
        text = f"Pictures have {len(sizes):,} sizes, {_pixels(low)} to {_pixels(high)} (HxW)"
    if size is not None and (len(sizes) > 1 or tuple(low) != size):
        text = f"{text}: {FITS[fit].format(_pixels(size))}"
    yield Remark(topic="size", text=text)


def _on_feeding(space: tuple[int, ...], side: int) -> Iterator[Remark]:
    if space != (side, side):
        text = f"Networks are fed {side}x{side} pixels (input_size on the card): the short side is"
        text = f"{text} resized, the middle cut out"
        yield Remark(topic="size", text=text)


def _on_traits(forms: Mapping[str, PictureForm]) -> Iterator[Remark]:
    for trait, sentence in _TRAITS.items():
        names = tuple(file for file, form in forms.items() if trait in form.traits)
        if names:
            text = sentence.format(counted(len(names), "picture"))
            yield Remark(topic="channels", text=text, names=names)


def _pixels(size: object) -> str:
    return "x".join(str(int(length)) for length in size)  # type: ignore[attr-defined]
