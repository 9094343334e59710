"""From stored samples to network inputs, a whole batch at a time on the run's device.

Gray stays one channel for as long as the result is the same: resampling, scaling and colour
jitter treat equal channels equally, and normalisation commutes with resampling, whose
weights sum to one. The three channels come apart in :func:`normalise`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import torch

from crossbench.data.augment import (
    JitterOrder,
    RandomSource,
    centre_images,
    crop_images,
    disturb_volumes,
    draw_images,
    draw_volumes,
    jitter_colours,
    move_volumes,
)
from crossbench.errors import DataError, RequestError

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.specs import Dimension

__all__ = ["BatchTransform", "RandomSource", "make_transforms"]

Triple = tuple[float, float, float]


class BatchTransform(Protocol):
    """What turns a batch as it is stored into a batch that a network is fed."""

    def __call__(self, raw: Tensor, random: RandomSource | None = None) -> Tensor:
        """Transform a batch; ``raw`` is left as it is.

        Args:
            raw: (B, C, *S) in the stored dtype on the run's device; C is 1, 2 or 3.
            random: Where augmentation draws from; a transform without augmentation ignores it.

        Returns:
            (B, 3, *S') float32, contiguous, on the device of ``raw``.

        Raises:
            DataError: If the rank or the number of channels is not one of those above.
            ValueError: If the transform augments and ``random`` is None.
        """
        ...


def make_transforms(
    *,
    dimension: Dimension,
    input_size: int | None,
    value_range: tuple[float, float] | None,
    mean: Triple,
    std: Triple,
    crop_scale: tuple[float, float],
    augment: bool,
    jitter_order: JitterOrder = "batch",
) -> tuple[BatchTransform, BatchTransform]:
    """The transforms of training and of evaluation (protocol.md, "Transfer evaluation").

    Args:
        dimension: 2 or 3.
        input_size: Side length in pixels that a 2D network is fed; volumes are fed as stored.
        value_range: Stored values that become 0 and 1; None takes each sample's own minimum and
            maximum over its channels and pixels. Values outside are not clipped.
        mean: Mean of each channel after scaling to [0, 1].
        std: Standard deviation of each channel after scaling to [0, 1].
        crop_scale: Range of a random crop's share of the image area; 2D only.
        augment: False makes the training transform the evaluation transform.
        jitter_order: Whose order of colour adjustments is drawn: the ``batch``'s or each
            ``sample``'s; 2D only.

    Returns:
        ``(train, evaluate)``.

    Raises:
        RequestError: If a 2D input size is missing.
    """
    evaluate: BatchTransform
    train: BatchTransform
    if dimension == 3:
        evaluate = volumes = VolumeTransform(value_range=value_range, mean=mean, std=std)
        train = replace(volumes, augment=augment)
    elif input_size is None:
        msg = "input_size is None, but a 2D network is fed a fixed size; set input_size on the card"
        raise RequestError(msg)
    else:
        evaluate = images = ImageTransform(
            value_range=value_range, mean=mean, std=std, size=input_size, crop_scale=crop_scale
        )
        train = replace(images, augment=augment, jitter_order=jitter_order)
    return train, evaluate


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
        check_batch(raw, dimension=2)
        images = scale(raw, self.value_range)
        if not self.augment:
            images = centre_images(images, self.size)
        else:
            drawn = draw_images(
                _given(random), raw.shape, self.crop_scale, jitter_order=self.jitter_order
            )
            images = crop_images(images, drawn, self.size)
            if self.jitter:
                images = jitter_colours(as_colour(images), drawn)
        return normalise(images, self.mean, self.std)


@dataclass(frozen=True, kw_only=True)
class VolumeTransform:
    """3D: normalisation, and for training mirroring, rotation, zoom, noise and shift."""

    value_range: tuple[float, float] | None
    mean: Triple
    std: Triple
    augment: bool = False

    def __call__(self, raw: Tensor, random: RandomSource | None = None) -> Tensor:
        """See :class:`BatchTransform`; ``raw`` is (B, C, D, H, W), the result (B, 3, D, H, W)."""
        check_batch(raw, dimension=3)
        volumes = scale(raw, self.value_range)
        if not self.augment:
            return normalise(volumes, self.mean, self.std)
        drawn = draw_volumes(_given(random), raw.shape)
        volumes = move_volumes(volumes, drawn)
        return disturb_volumes(normalise(volumes, self.mean, self.std), drawn)


def _given(random: RandomSource | None) -> RandomSource:
    """The random source that augmentation needs."""
    if random is None:
        msg = "random is None, but augmentation draws random numbers; pass a RandomSource"
        raise ValueError(msg)
    return random


def check_batch(raw: Tensor, *, dimension: int) -> None:
    """Refuse a batch of the wrong rank or with channels that have no place.

    Raises:
        DataError: Naming the shape.
    """
    shape = tuple(raw.shape)
    if raw.dim() != dimension + 2:
        axes = "(B, C, H, W)" if dimension == 2 else "(B, C, D, H, W)"
        msg = f"a batch of a {dimension}D task has shape {axes}, not {shape}"
        raise DataError(msg)
    if raw.shape[1] not in (1, 2, 3):
        msg = f"samples have 1, 2 or 3 channels; this batch of shape {shape} has {raw.shape[1]}"
        raise DataError(msg)


def scale(raw: Tensor, value_range: tuple[float, float] | None) -> Tensor:
    """Map a range of stored values to [0, 1]; what has no range becomes 0.

    Args:
        raw: (B, C, *S) in any real dtype.
        value_range: Lowest and highest value, or None for those of each sample.

    Returns:
        (B, C, *S) float32. The difference is taken in float64 where ``raw`` is float64.
    """
    x = raw.to(torch.promote_types(raw.dtype, torch.float32))
    if value_range is None:
        axes = tuple(range(1, x.dim()))
        low, high = x.amin(axes, keepdim=True), x.amax(axes, keepdim=True)
    else:
        low, high = x.new_tensor(value_range)
    span = torch.where(high > low, high - low, torch.inf)
    return (x - low).div_(span).float()


def as_colour(x: Tensor) -> Tensor:
    """Two channels become [c0, c1, c0]; one (gray) and three are returned as they are."""
    return x[:, [0, 1, 0]] if x.shape[1] == 2 else x


def normalise(x: Tensor, mean: Triple, std: Triple) -> Tensor:
    """Subtract the mean and divide by the standard deviation; gray becomes three channels.

    Args:
        x: (B, C, *S); C is 1, 2 or 3.
        mean: One figure a channel of the result.
        std: One figure a channel of the result.

    Returns:
        (B, 3, *S), new and contiguous.
    """
    shape = (3, *(1 for _ in x.shape[2:]))
    centred = as_colour(x) - x.new_tensor(mean).view(shape)
    return centred.div_(x.new_tensor(std).view(shape)).contiguous()
