"""Augmentation of whole batches on their device.

Random parameters are drawn first (:func:`draw_images`, :func:`draw_volumes`) and then applied
by pure functions, which equal torchvision's and MONAI's transforms given the same parameters.
A gray batch keeps its one channel wherever three equal channels would stay equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch.nn import functional

from crossbench.data import resample

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

JitterOrder = Literal["batch", "sample"]

ASPECT = (3 / 4, 4 / 3)  # width over height of a random crop
TRIES = 10  # random crops that may stick out before the centre is taken
JITTER = (0.4, 0.4, 0.4)  # brightness, contrast, saturation: factors in 1 ± this
HUE = 0.1  # shift of the hue in ± this, in turns of the colour circle
ANGLE = 15.0  # ± radians about the depth axis: what the authors hand to MONAI's range_x
ZOOM = (0.9, 1.1)
NOISE = 0.1  # greatest standard deviation, in units of the normalised volume
OFFSET = 0.1  # intensity shift in ± this, in the same units
LUMA = (0.2989, 0.587, 0.114)  # gray of a colour (ITU-R BT.601 as rounded by torchvision)


class RandomSource:
    """The random numbers of one run: the same seed on the same device gives the same batches.

    Attributes:
        seed: What it was made from.
        cpu: Generator of the parameters, so that they are the same on every device.
        device: Generator of the noise, on the device of the batch.
    """

    def __init__(self, seed: int, device: torch.device | str) -> None:
        self.seed = seed
        self.cpu = torch.Generator().manual_seed(seed)
        # A seed of its own: on a CPU the noise would else repeat the parameters' stream.
        noise_seed = int(torch.randint(2**62, (), generator=self.cpu))
        self.device = torch.Generator(device).manual_seed(noise_seed)

    def replica(self, place: int) -> RandomSource:
        """A source that depends on the seed and on ``place`` alone, whatever was drawn before."""
        (seed,) = np.random.SeedSequence([self.seed, place]).generate_state(1, np.uint64)
        return RandomSource(int(seed) >> 1, self.device.device)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Float64 numbers in [low, high), on the CPU."""
        unit = torch.rand(shape, generator=self.cpu, dtype=torch.float64)
        return low + (high - low) * unit

    def coin(self, count: int) -> Tensor:
        """(count,) booleans, true with probability one half, on the CPU."""
        return self.uniform(count) < 0.5


def _change(batch: Tensor, which: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Replace the samples picked by ``which`` (B,) bool; ``change`` sees these and their index."""
    index = which.nonzero().squeeze(1)
    if len(index) == len(which):
        return change(batch, index)
    if not len(index):
        return batch
    there = index.to(batch.device)
    return batch.index_copy(0, there, change(batch[there], index))


# --- images -------------------------------------------------------------------------------


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
            images = _change(images, step == kind, partial(adjust, kind=kind))
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


# --- volumes ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class VolumeParameters:
    """One random augmentation a sample. Half the samples have each entry at rest.

    Attributes:
        flip: (B,) bool, whether the first spatial axis is reversed.
        angle: (B,) float64, radians about the depth axis; at rest 0.
        zoom: (B,) float64 factors; at rest 1.
        noise_std: (B,) float64, standard deviation of the noise; at rest 0.
        offset: (B,) float64, added to the intensities; at rest 0.
        noise: (K, 3, D, H, W) float32 on the run's device, the noise of the K samples whose
            ``noise_std`` is not 0, in their order. All else is on the CPU.
    """

    flip: Tensor
    angle: Tensor
    zoom: Tensor
    noise_std: Tensor
    offset: Tensor
    noise: Tensor


def draw_volumes(random: RandomSource, shape: torch.Size) -> VolumeParameters:
    """Draw as MONAI's RandFlip, RandRotate, RandZoom, RandGaussianNoise, RandShiftIntensity do.

    Args:
        random: Where to draw from.
        shape: (B, C, D, H, W) of the stored batch.
    """
    batch = shape[0]

    def half(low: float, high: float, rest: float) -> Tensor:
        return random.uniform(batch, low=low, high=high).where(random.coin(batch), rest)

    flip = random.coin(batch)
    angle, zoom = half(-ANGLE, ANGLE, 0), half(*ZOOM, 1)
    noise_std, offset = half(0, NOISE, 0), half(-OFFSET, OFFSET, 0)
    noisy = noise_std[noise_std != 0].to(random.device.device, torch.float32)
    size = (len(noisy), 3, *shape[2:])
    noise = torch.randn(size, generator=random.device, device=noisy.device)
    noise *= noisy[:, None, None, None, None]
    return VolumeParameters(
        flip=flip, angle=angle, zoom=zoom, noise_std=noise_std, offset=offset, noise=noise
    )


def move_volumes(volumes: Tensor, drawn: VolumeParameters) -> Tensor:
    """Mirror, rotate and zoom; the size is kept.

    Args:
        volumes: (B, C, D, H, W) floating point.
        drawn: What to do to each sample.

    Returns:
        (B, C, D, H, W).
    """

    def rotate(part: Tensor, index: Tensor) -> Tensor:
        return resample.rotate(part, drawn.angle[index].to(part.device))

    def zoom(part: Tensor, index: Tensor) -> Tensor:
        factors = drawn.zoom[index].to(part.device)
        return resample.resample(
            part, [resample.zoom_weights(factors, size=size) for size in part.shape[2:]]
        )

    volumes = _change(volumes, drawn.flip, lambda part, _: part.flip(2))
    volumes = _change(volumes, drawn.angle != 0, rotate)
    return _change(volumes, drawn.zoom != 1, zoom)


def disturb_volumes(volumes: Tensor, drawn: VolumeParameters) -> Tensor:
    """Add noise and shift the intensities.

    Args:
        volumes: (B, 3, D, H, W) normalised.
        drawn: What to add to each sample.

    Returns:
        (B, 3, D, H, W).
    """
    disturbed = volumes + drawn.offset.to(volumes)[:, None, None, None, None]
    noisy = drawn.noise_std.nonzero().squeeze(1).to(volumes.device)
    return disturbed.index_add_(0, noisy, drawn.noise)
