"""Transforms of images: random crop, mirroring and colour jitter, or a central crop.

Random parameters are drawn first (:func:`draw_images`) and then applied by pure functions,
which equal torchvision's given the same parameters. A gray batch keeps its one channel wherever
three equal channels would stay equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch
from torch.nn import functional

from crossbench.data.transforms import resample
from crossbench.data.transforms.batch import (
    as_colour,
    change_some,
    check_batch,
    normalise,
    required,
    scale,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from crossbench.data.transforms.batch import RandomSource
    from crossbench.data.transforms.gray import Triple

JitterOrder = Literal["batch", "sample"]

ASPECT = (3 / 4, 4 / 3)  # width over height of a random crop
TRIES = 10  # random crops that may stick out before the centre is taken
JITTER = (0.4, 0.4, 0.4)  # brightness, contrast, saturation: factors in 1 ± this
HUE = 0.1  # shift of the hue in ± this, in turns of the colour circle
LUMA = (0.2989, 0.587, 0.114)  # gray of a colour (ITU-R BT.601 as rounded by torchvision)


@dataclass(frozen=True, kw_only=True)
class ImageTransform:
    """2D: resized crop, mirroring, colour jitter and normalisation, or a centre crop."""

    size: int
    value_range: tuple[float, float] | None
    mean: Triple
    std: Triple
    crop_scale: tuple[float, float]
    augment: bool = False
    jitter: bool = True
    jitter_order: JitterOrder = "batch"

    def __call__(self, raw: Tensor, random: RandomSource | None = None) -> Tensor:
        """See :class:`BatchTransform`; ``raw`` is (B, C, H, W), the result (B, 3, size, size)."""
        check_batch(raw, axes="HW")
        images = scale(raw, self.value_range)
        if not self.augment:
            images = centre_images(images, self.size)
        else:
            drawn = draw_images(
                required(random), raw.shape, self.crop_scale, jitter_order=self.jitter_order
            )
            images = crop_images(images, drawn, self.size)
            if self.jitter:
                images = jitter_colours(as_colour(images), drawn)
        return normalise(images, self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class ImageParameters:
    """One random augmentation a sample; all tensors on the CPU.

    Attributes:
        top: (B,) int64, first row of the crop.
        left: (B,) int64, first column of the crop.
        height: (B,) int64, rows of the crop.
        width: (B,) int64, columns of the crop.
        flip: (B,) bool, whether left and right change places.
        order: (B, 4) int64, in which brightness, contrast, saturation and hue (0 to 3) are
            adjusted: uniform over all 24 for each sample, whether or not they share one.
        factors: (4, B) float64: factors of brightness, contrast and saturation, shift of hue.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    order: Tensor
    factors: Tensor


def draw_images(
    random: RandomSource,
    shape: torch.Size,
    crop_scale: tuple[float, float],
    *,
    jitter_order: JitterOrder = "batch",
) -> ImageParameters:
    """Draw as torchvision's RandomResizedCrop, RandomHorizontalFlip(0.5) and ColorJitter do.

    Args:
        random: Where to draw from.
        shape: (B, C, H, W) of the stored batch.
        crop_scale: Range of the crop's share of the image area.
        jitter_order: Whether the samples of a ``batch`` share one order of colour adjustments,
            which is quicker, or each ``sample`` has its own, as where each is loaded by itself.
    """
    batch, _, rows, columns = shape
    height, width, centred = _draw_crop_size(random, batch, (rows, columns), crop_scale)
    place = random.uniform(2, batch)
    free = torch.stack([rows - height, columns - width])
    top, left = torch.where(centred, free // 2, (place * (free + 1)).floor().long())
    jitter = [random.uniform(batch, low=1 - width_, high=1 + width_) for width_ in JITTER]
    return ImageParameters(
        top=top,
        left=left,
        height=height,
        width=width,
        flip=random.coin(batch),
        order=_draw_order(random, batch, jitter_order),
        factors=torch.stack([*jitter, random.uniform(batch, low=-HUE, high=HUE)]),
    )


def _draw_order(random: RandomSource, batch: int, jitter_order: JitterOrder) -> Tensor:
    """(B, 4) int64 permutations of 0 to 3."""
    if jitter_order == "sample":
        return random.uniform(batch, 4).argsort(dim=1)
    return torch.randperm(4, generator=random.cpu).expand(batch, 4)


def _draw_crop_size(
    random: RandomSource, batch: int, image: tuple[int, int], crop_scale: tuple[float, float]
) -> tuple[Tensor, Tensor, Tensor]:
    """(B,) height and width of a crop, and whether it is the central fallback.

    The first of ten random sizes that fits; where none does, the largest central crop whose
    aspect ratio is in range.
    """
    rows, columns = image
    area = rows * columns * random.uniform(batch, TRIES, low=crop_scale[0], high=crop_scale[1])
    log_low, log_high = torch.tensor(ASPECT, dtype=torch.float64).log().tolist()
    ratio = random.uniform(batch, TRIES, low=log_low, high=log_high).exp()
    width = (area * ratio).sqrt().round().long()
    height = (area / ratio).sqrt().round().long()
    fits = (width > 0) & (width <= columns) & (height > 0) & (height <= rows)
    first = fits.int().argmax(dim=1, keepdim=True)
    centred = ~fits.any(dim=1)
    whole_height = min(rows, round(columns / ASPECT[0]))
    whole_width = min(columns, round(rows * ASPECT[1]))
    height = height.gather(1, first).squeeze(1).where(~centred, whole_height)
    width = width.gather(1, first).squeeze(1).where(~centred, whole_width)
    return height, width, centred


def crop_images(images: Tensor, drawn: ImageParameters, size: int) -> Tensor:
    """Crop, resize (bilinear, antialiased) and mirror.

    Args:
        images: (B, C, H, W) floating point.
        drawn: Crop and mirroring of each sample.
        size: Side length of the result.

    Returns:
        (B, C, size, size).
    """
    top, left, height, width, flip = (
        t.to(images.device) for t in (drawn.top, drawn.left, drawn.height, drawn.width, drawn.flip)
    )
    rows, columns = images.shape[2:]
    vertical = resample.linear_weights(top, height, size=rows, out=size)
    horizontal = resample.linear_weights(left, width, size=columns, out=size, mirror=flip)
    return resample.resample(images, (vertical, horizontal))


def centre_images(images: Tensor, size: int) -> Tensor:
    """Resize the short side to ``round(size * 256 / 224)``, antialiased, and crop the centre.

    Args:
        images: (B, C, H, W) floating point.
        size: Side length of the result.

    Returns:
        (B, C, size, size).
    """
    sides = images.shape[2:]
    short = round(size * 256 / 224)
    resized = [int(short * side / min(sides)) for side in sides]
    images = functional.interpolate(images, resized, mode="bilinear", antialias=True)
    top, left = (round((side - size) / 2) for side in resized)
    return images[..., top : top + size, left : left + size]


def jitter_colours(images: Tensor, drawn: ImageParameters) -> Tensor:
    """Adjust brightness, contrast, saturation and hue, as torchvision does to three channels.

    Args:
        images: (B, 1, H, W) or (B, 3, H, W) in [0, 1].
        drawn: Order and factors.

    Returns:
        The shape of ``images``, in [0, 1]. One channel stands for three equal ones.
    """
    adjustments: tuple[Callable[[Tensor, Tensor], Tensor], ...] = (
        lambda x, factor: (x * factor).clamp_(0, 1),
        lambda x, factor: _blend(x, _gray(x).mean((1, 2, 3), keepdim=True), factor),
        lambda x, factor: _blend(x, _gray(x), factor),
        _shift_hue,
    )
    factors = drawn.factors.to(images)[:, :, None, None, None]

    def adjust(part: Tensor, index: Tensor, *, kind: int) -> Tensor:
        return adjustments[kind](part, factors[kind, index.to(part.device)])

    for step in drawn.order.T:
        for kind in step.unique().tolist():
            images = change_some(images, step == kind, partial(adjust, kind=kind))
    return images


def _gray(images: Tensor) -> Tensor:
    """(B, 1, H, W) gray of three channels, or of the three equal ones that one stands for."""
    if images.shape[1] == 1:
        return images * sum(LUMA)  # 0.9999, as torchvision's figures have it
    red, green, blue = images.chunk(3, dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


def _blend(images: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    """``factor`` parts of the images and ``1 - factor`` of the other, within [0, 1]."""
    return torch.lerp(other, images, factor).clamp_(0, 1)


def _shift_hue(images: Tensor, shift: Tensor) -> Tensor:
    """Turn the colour circle of (B, C, H, W) by (B, 1, 1, 1) turns; gray has no hue.

    With the hue H in sixths of the circle, red's share of the chroma is |H - 3| - 1, green's
    2 - |H - 2| and blue's 2 - |H - 4|, each kept within [0, 1] (the HSV hexcone).
    """
    if images.shape[1] == 1:
        return images
    red, green, blue = images.chunk(3, dim=1)
    low, high = images.amin(1, keepdim=True), images.amax(1, keepdim=True)
    chroma = high - low
    divisor = chroma.clamp(min=1e-12)  # where it acts, hue has no effect
    is_red, is_green = (high == red).to(images), (high == green).to(images)
    # lerp by 0 or 1 selects exactly, and several times faster than torch.where on a CPU.
    hue = torch.lerp((red - green) / divisor + 4, (blue - red) / divisor + 2, is_green)
    hue = torch.lerp(hue, (green - blue) / divisor, is_red)
    hue = hue.add_(6 * shift).remainder_(6)
    centre, slope, bias = images.new_tensor([[3, 2, 4], [1, -1, -1], [-1, 2, 2]])[..., None, None]
    share = (hue - centre).abs_().mul_(slope).add_(bias).clamp_(0, 1)
    return torch.addcmul(low, chroma, share)
