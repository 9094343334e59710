"""Images: (C, H, W), gray or colour, fed as squares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.formats.pictures import PICTURE_SUFFIXES, read_picture
from crossbench.data.inputs.mosaic import draw_phantom
from crossbench.data.inputs.pixels import PixelKind, as_picture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from crossbench.data.inputs.interface import Reader
    from crossbench.data.transforms import BatchTransform
    from crossbench.specs import InputSettings, Statistics, TaskCard
    from crossbench.specs.sources import Slice

_PHANTOM_SIDE = 64


class Image(PixelKind):
    """Stored as (N, H, W), (N, H, W, C) or (N, C, H, W); three channels are fed."""

    name = "image"
    dims = 2
    axes = "HW"
    channels = (1, 3)
    channels_fed = 3
    feature_side = 32
    sized = True
    made_of = "volume"

    def reduced(self, images: NDArray[Any], which: Slice) -> NDArray[Any]:
        """(N, C, H, W) slices of volumes, the first of equally full ones, a copy."""
        if which == "middle":
            return images[:, :, images.shape[2] // 2].copy()
        fullest = images.sum(axis=(1, 3, 4)).argmax(axis=1)
        slices: NDArray[Any] = images[np.arange(len(images)), :, fullest]
        return slices

    def readers(self) -> dict[str, Reader]:
        """Pictures."""
        return dict.fromkeys(PICTURE_SUFFIXES, read_picture)

    def phantom(self, card: TaskCard) -> dict[str, NDArray[Any]]:
        """Mosaics, channels last."""
        return draw_phantom(card, dims=self.dims, side=_PHANTOM_SIDE, channels_last=True)

    def fed_shape(
        self, card: TaskCard, sample_shape: tuple[int, ...], settings: InputSettings
    ) -> tuple[int, ...]:
        """A square of the card's input size or else the stored short side, within the bounds."""
        side = card.input_size or min(sample_shape)
        return (max(min(side, settings.max_size or side), settings.min_size or 1),) * 2

    def transforms(
        self,
        shape: tuple[int, ...],
        *,
        value_range: tuple[float, float] | None,
        statistics: Statistics,
        settings: InputSettings,
    ) -> tuple[BatchTransform, BatchTransform]:
        """Random crop, mirroring and colour jitter for training; a central crop for evaluation."""
        from crossbench.data.transforms.batch import STATISTICS
        from crossbench.data.transforms.image import ImageTransform

        mean, std = STATISTICS[statistics]
        make = partial(
            ImageTransform,
            size=shape[0],
            value_range=value_range,
            mean=mean,
            std=std,
            crop_scale=settings.crop_scale,
            jitter_order=settings.jitter_order,
        )
        return make(augment=settings.augment), make()

    def pictures(self, sample: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """The image."""
        return [as_picture(sample)]
