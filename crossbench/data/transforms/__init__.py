"""From stored samples to network inputs, one input kind's transforms a module."""

from __future__ import annotations

from dataclasses import replace

from crossbench.data.transforms.batch import STATISTICS, BatchTransform, RandomSource, Triple
from crossbench.data.transforms.image import ImageTransform, JitterOrder
from crossbench.data.transforms.volume import VolumeTransform

__all__ = ["STATISTICS", "BatchTransform", "RandomSource", "make_transforms"]


def make_transforms(
    *,
    dimension: int,
    input_size: int | None,
    value_range: tuple[float, float] | None,
    mean: Triple,
    std: Triple,
    crop_scale: tuple[float, float],
    augment: bool,
    jitter_order: JitterOrder = "batch",
) -> tuple[BatchTransform, BatchTransform]:
    """Bridge until runs/ asks the input kind; goes with it."""
    if dimension == 3 or input_size is None:
        volumes = VolumeTransform(value_range=value_range, mean=mean, std=std)
        return replace(volumes, augment=augment), volumes
    images = ImageTransform(
        value_range=value_range, mean=mean, std=std, size=input_size, crop_scale=crop_scale
    )
    return replace(images, augment=augment, jitter_order=jitter_order), images
