"""Preparation of volumes: one orientation, spacing, shape and dtype."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from crossbench.data.formats.prepared import is_spaced
from crossbench.data.formats.resampling import sides_at
from crossbench.data.new.choices import for_axes
from crossbench.data.new.forms import codes_in_words, spans
from crossbench.data.new.pictures import FITS, Prepared
from crossbench.data.new.remarks import Remark
from crossbench.data.words import counted
from crossbench.errors import DataError
from crossbench.specs.preparation import Preparation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crossbench.data.formats.nifti import VolumeForm
    from crossbench.data.new.choices import Choices

_LEAST_SIDE = 32  # voxels, of which a ResNet-18 leaves one
_TILTED = 1.0  # degrees from the axes of the body that are worth a word

_Sides = tuple[int, ...]


def prepare_volumes(forms: Mapping[str, VolumeForm], choices: Choices) -> Prepared:
    """Decide on orientation, spacing, shape and dtype of volumes.

    Raises:
        DataError: If spacings or shapes differ and no option says what to do, or channels do.
    """
    channels = {form.shape[0] for form in forms.values()}
    if len(channels) > 1:
        counts = Counter(form.shape[0] for form in forms.values())
        both = " and ".join(f"{counts[each]} of {each}" for each in sorted(channels))
        raise DataError(f"{choices.folder}: volumes with several numbers of channels ({both})")
    spacing, resampled = _spacing(forms, choices)
    shapes = _shapes(forms, spacing if resampled else None)
    size = _size(shapes, choices)
    preparation = Preparation(
        orientation="RAS" if any(form.codes for form in forms.values()) else "",
        unoriented=not all(form.codes for form in forms.values()),
        spacing=spacing,
        resampled=resampled,
        size=size,
        fit=choices.fit if choices.fit and size else "stretch",
        channels=next(iter(channels), 1),
    )
    space = size or next(iter(shapes.values()), (0, 0, 0))
    return Prepared(
        preparation=preparation,
        shape=(preparation.channels, *space),
        dtype=str(np.result_type(*{form.dtype for form in forms.values()})) if forms else "uint8",
        remarks=(
            *_on_channels(preparation.channels),
            *_on_orientation(forms),
            *_on_spacing(forms, preparation),
            *_on_shape(shapes, preparation, space),
            *_on_dtype(forms),
        ),
    )


# -------------------------------------------------------------------------------- spacing


def _spacing(
    forms: Mapping[str, VolumeForm], choices: Choices
) -> tuple[tuple[float, ...] | None, bool]:
    """The spacing of samples, and whether they are resampled to it."""
    if choices.spacing is not None:
        return for_axes(choices.spacing, 3, "--spacing"), True
    rows = [form.spacing for form in forms.values()]
    if not rows:
        return None, False
    middle = tuple(median(column) for column in zip(*rows, strict=True))
    if all(is_spaced(row, middle) for row in rows):
        return tuple(float(f"{length:.6g}") for length in middle), False
    likely = float(f"{min(middle):.1g}")
    msg = f"{choices.folder}: volumes have different spacings, {spans(rows)} mm (DxHxW), so that a"
    msg = f"{msg} voxel is no length: resample them by --spacing MM (one number, or D,H,W), such as"
    shapes = set(_shapes(forms, (likely,) * 3).values())
    crop = f" --crop {_middle(shapes)}" if len(shapes) > 1 and choices.size is None else ""
    raise DataError(f"{msg} --spacing {likely:g}{crop}")


def _shapes(
    forms: Mapping[str, VolumeForm], spacing: tuple[float, ...] | None
) -> dict[str, _Sides]:
    """(D, H, W) of every volume after resampling."""
    shapes = {}
    for file, form in forms.items():
        sides = form.shape[1:]
        if spacing is not None:
            sides = sides_at(spacing, sides, form.spacing)
        shapes[file] = sides
    return shapes


def _size(shapes: Mapping[str, _Sides], choices: Choices) -> _Sides | None:
    """The shape that volumes are brought to; None where they have one."""
    if choices.size is not None:
        return tuple(int(length) for length in for_axes(choices.size, 3, "--shape or --crop"))
    if len(set(shapes.values())) <= 1:
        return None
    likely = _middle(shapes.values())
    msg = f"{choices.folder}: volumes have {len(set(shapes.values()))} different shapes,"
    msg = f"{msg} {spans(list(shapes.values()))} voxels (DxHxW); a data file holds one: cut their"
    msg = f"{msg} middle out by --crop {likely}, or resize all of each by --shape {likely}"
    raise DataError(msg)


def _middle(shapes: Iterable[_Sides]) -> str:
    """A likely shape: the median of each axis, and no less than leaves a ResNet-18 a voxel."""
    sides = [round(median(column)) for column in zip(*shapes, strict=True)]
    return ",".join(str(max(_LEAST_SIDE, side)) for side in sides)


# -------------------------------------------------------------------------------- remarks


def _on_channels(channels: int) -> Iterator[Remark]:
    if channels > 1:
        text = f"The fourth axis of the volumes holds {channels} images, taken as channels"
        yield Remark(topic="channels", text=text)


def _on_orientation(forms: Mapping[str, VolumeForm]) -> Iterator[Remark]:
    stated = {file: form for file, form in forms.items() if form.codes}
    lost = tuple(file for file in forms if file not in stated)
    if stated:
        text = f"Volumes are brought to RAS ({codes_in_words(stated)}) and stored z, y, x"
        yield Remark(topic="orientation", text=text)
    if lost:
        text = f"{counted(len(lost), 'volume')} without a stated orientation (sform and qform code"
        text = f"{text} 0), stored z, y, x as they lie: left may be right"
        yield Remark(topic="orientation", text=text, names=lost)
    tilted = {file: form.tilt for file, form in forms.items() if form.tilt > _TILTED}
    if tilted:
        text = f"{counted(len(tilted), 'volume')} oblique, by up to {max(tilted.values()):.0f}"
        text = f"{text} degrees: axes are swapped and reversed, and nothing is rotated"
        yield Remark(topic="orientation", text=text, names=tuple(tilted))


def _on_spacing(forms: Mapping[str, VolumeForm], preparation: Preparation) -> Iterator[Remark]:
    if preparation.spacing is None:
        return
    target = " x ".join(f"{length:g}" for length in preparation.spacing)
    found = spans([form.spacing for form in forms.values()])
    if preparation.resampled:
        text = f"Spacings of {found} mm (DxHxW) are resampled to {target}, linearly; integers are"
        text = f"{text} rounded"
    else:
        text = f"The spacing is {target} mm (DxHxW)"
    yield Remark(topic="spacing", text=text)


def _on_shape(
    shapes: Mapping[str, _Sides], preparation: Preparation, space: _Sides
) -> Iterator[Remark]:
    text = f"Volumes have {spans(list(shapes.values()))} voxels (DxHxW)" if shapes else "No volumes"
    if preparation.resampled:
        text = f"{text} then"
    if preparation.size is not None:
        text = f"{text}: {FITS[preparation.fit].format('x'.join(map(str, preparation.size)))}"
    yield Remark(topic="size", text=text)
    if preparation.size is not None and preparation.fit == "centre":
        yield from _on_cropping(shapes, preparation.size)
    if min(space) < _LEAST_SIDE:
        text = f"The shortest side has {min(space)} voxels, and a ResNet-18 halves each five times,"
        text = f"{text} so that {_LEAST_SIDE} leave it one: a larger --shape or --crop shows more"
        yield Remark(topic="doubt", text=text)


def _on_cropping(shapes: Mapping[str, _Sides], size: _Sides) -> Iterator[Remark]:
    differences = np.array(list(shapes.values())) - size
    cut, filled = ((differences * sign > 0).any(axis=1).sum() for sign in (1, -1))
    text = f"That cuts something off {cut:,} of {len(shapes):,} volumes and fills {filled:,} up"
    yield Remark(topic="size", text=text)


def _on_dtype(forms: Mapping[str, VolumeForm]) -> Iterator[Remark]:
    dtypes = Counter(form.dtype for form in forms.values())
    scaled = sum(form.scaled for form in forms.values())
    if len(dtypes) > 1:
        both = ", ".join(f"{count:,} {dtype}" for dtype, count in dtypes.most_common())
        text = f"Values are stored in several types ({both}), as {np.result_type(*dtypes)} together"
        yield Remark(topic="values", text=text)
    if scaled:
        text = f"{counted(scaled, 'volume')} with values that the header scales: applied, float32"
        yield Remark(topic="values", text=text)
