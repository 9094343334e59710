"""Transforms of volumes: mirroring, rotation, zoom, noise and an intensity shift, or none.

Random parameters are drawn first (:func:`draw_volumes`) and then applied by pure functions,
which equal MONAI's given the same parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from crossbench.data.transforms import resample
from crossbench.data.transforms.batch import change_some, check_batch, normalise, required, scale

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.data.transforms.batch import RandomSource
    from crossbench.data.transforms.gray import Triple

ANGLE = 15.0  # ± radians about the depth axis: what the authors hand to MONAI's range_x
ZOOM = (0.9, 1.1)
NOISE = 0.1  # greatest standard deviation, in units of the normalised volume
OFFSET = 0.1  # intensity shift in ± this, in the same units


@dataclass(frozen=True, kw_only=True)
class VolumeTransform:
    """3D: normalisation, and for training mirroring, rotation, zoom, noise and shift.

    Volumes of another shape than ``shape`` are resampled to it first, so that all else, noise
    included, acts on them as on volumes that are stored so; () takes every shape as it is.
    """

    shape: tuple[int, ...] = ()
    value_range: tuple[float, float] | None
    mean: Triple
    std: Triple
    augment: bool = False

    def __call__(self, raw: Tensor, random: RandomSource | None = None) -> Tensor:
        """See :class:`BatchTransform`; ``raw`` is (B, C, *S), the result (B, 3, D, H, W)."""
        check_batch(raw, axes="DHW")
        volumes = scale(raw, self.value_range)
        if self.shape and self.shape != volumes.shape[2:]:
            volumes = functional.interpolate(
                volumes, self.shape, mode="trilinear", align_corners=False
            )
        if not self.augment:
            return normalise(volumes, self.mean, self.std)
        drawn = draw_volumes(required(random), volumes.shape)
        volumes = move_volumes(volumes, drawn)
        return disturb_volumes(normalise(volumes, self.mean, self.std), drawn)


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
        shape: (B, C, D, H, W) of the batch.
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

    volumes = change_some(volumes, drawn.flip, lambda part, _: part.flip(2))
    volumes = change_some(volumes, drawn.angle != 0, rotate)
    return change_some(volumes, drawn.zoom != 1, zoom)


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
