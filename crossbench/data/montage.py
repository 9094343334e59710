"""A picture of a task: samples of each class, and the histogram of their intensities."""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from crossbench.data.inputs import kind_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.inputs import InputKind
    from crossbench.specs import TaskCard

_SEED = 0
_PER_CLASS = 8
_TILE, _GAP = 96, 6
_LABEL, _BARS = 150, 256
_BINS = 64
_READ = 200  # samples of a class that its histogram is made of, at most
_INK, _SOFT, _PAGE = (26, 26, 26), (120, 120, 120), (255, 255, 255)


def montage(card: TaskCard, dataset: Dataset, *, per_class: int = _PER_CLASS) -> bytes:
    """A montage by class with a histogram of each, as PNG.

    Volumes show the middle planes across each axis, below one another. Samples are drawn at random,
    the same every time.

    Args:
        card: The task.
        dataset: Its samples.
        per_class: Samples a class at most.
    """
    rng = np.random.default_rng(_SEED)
    members = [
        rng.permutation(np.flatnonzero(dataset.labels == label))
        for label in range(len(card.classes))
    ]
    kind = kind_of(card)
    span = _span(dataset, members)
    rows = [
        _row(kind, dataset, name, chosen, per_class=per_class, span=span)
        for name, chosen in zip(card.classes, members, strict=True)
    ]
    width = max(row.width for row in rows)
    head = _head(card, dataset, width, span)
    heights = [head.height, *(row.height + _GAP for row in rows)]
    page = Image.new("RGB", (width + 2 * _GAP, sum(heights) + _GAP), _PAGE)
    for row, top in zip([head, *rows], np.cumsum([_GAP, *heights[:-1]]).tolist(), strict=True):
        page.paste(row, (_GAP, top))
    stream = io.BytesIO()
    page.save(stream, "PNG", optimize=True)
    return stream.getvalue()


def _head(card: TaskCard, dataset: Dataset, width: int, span: tuple[float, float]) -> Image.Image:
    """The title over the rows, and what the bars stand for."""
    strip = Image.new("RGB", (width, 52), _PAGE)
    draw = ImageDraw.Draw(strip)
    shape = "x".join(map(str, dataset.images.shape[1:]))
    draw.text((0, 0), card.title, _INK, _font(18))
    about = f"{len(dataset):,} samples of {shape} {dataset.images.dtype}"
    if kind_of(card).dims == 3:
        about += "; middle planes across each axis"
    draw.text((0, 28), about, _SOFT, _font(12))
    bars = f"intensities, {span[0]:g} to {span[1]:g}"
    draw.text((width - _BARS, 28), bars, _SOFT, _font(12))
    return strip


def _row(
    kind: InputKind,
    dataset: Dataset,
    name: str,
    members: NDArray[np.int64],
    *,
    per_class: int,
    span: tuple[float, float],
) -> Image.Image:
    """The name and number of a class, some of its samples, and its histogram."""
    tiles = [_tile(kind, dataset.images[place]) for place in members[:per_class].tolist()]
    tall = max([_TILE, *(tile.height for tile in tiles)])
    left = _LABEL + per_class * (_TILE + _GAP)
    row = Image.new("RGB", (left + _BARS, tall), _PAGE)
    draw = ImageDraw.Draw(row)
    lines = "\n".join(textwrap.wrap(name, 20)[:4])
    draw.text((0, 0), f"{lines}\n{len(members):,}", _INK, _font(13))
    for place, tile in enumerate(tiles):
        row.paste(tile, (_LABEL + place * (_TILE + _GAP), 0))
    if len(members):
        shares = _shares(dataset, members, span)
        _bars(draw, shares, (left, min(tall, _TILE)))
    return row


def _tile(kind: InputKind, sample: NDArray[Any]) -> Image.Image:
    """The pictures of a sample below one another, each as wide as a tile."""
    pictures = [Image.fromarray(picture) for picture in kind.pictures(np.asarray(sample))]
    sizes = [(_TILE, max(1, round(_TILE * each.height / each.width))) for each in pictures]
    tile = Image.new("RGB", (_TILE, sum(tall for _, tall in sizes) + 2 * (len(sizes) - 1)), _PAGE)
    top = 0
    for picture, size in zip(pictures, sizes, strict=True):
        small = picture.width <= _TILE
        way = Image.Resampling.NEAREST if small else Image.Resampling.BOX
        tile.paste(picture.resize(size, way), (0, top))
        top += size[1] + 2
    return tile


def _span(dataset: Dataset, members: list[NDArray[np.int64]]) -> tuple[float, float]:
    """The range of what the histograms are made of."""
    looked = np.sort(np.concatenate([chosen[:_READ] for chosen in members]))
    low = min(float(dataset.images[place].min()) for place in looked.tolist())
    high = max(float(dataset.images[place].max()) for place in looked.tolist())
    return low, high if high > low else low + 1


def _shares(
    dataset: Dataset, members: NDArray[np.int64], span: tuple[float, float]
) -> NDArray[np.float64]:
    """(64,) shares of voxels in equal parts of the range."""
    edges = np.linspace(*span, _BINS + 1)
    counts = np.zeros(_BINS)
    for place in members[:_READ].tolist():
        counts += np.histogram(dataset.images[place] * 1, edges)[0]  # no histogram takes booleans
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def _bars(draw: ImageDraw.ImageDraw, shares: NDArray[np.float64], place: tuple[int, int]) -> None:
    """Bars that stand on a line; their heights are square roots, so that rare values show."""
    left, bottom = place
    wide = _BARS // _BINS
    heights = np.sqrt(shares / shares.max()) * (bottom - 12)
    for number, height in enumerate(heights.tolist()):
        x = left + number * wide
        draw.rectangle((x, bottom - 1 - round(height), x + wide - 2, bottom - 1), (70, 110, 160))
    draw.line((left, bottom - 1, left + _BARS, bottom - 1), _SOFT)


def _font(size: int) -> Any:
    return ImageFont.load_default(size)
