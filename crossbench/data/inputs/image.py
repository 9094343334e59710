"""Images: (C, H, W), gray or colour, fed as squares."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from crossbench.data.canonical import canonical_images
from crossbench.data.formats.pictures import PICTURE_SUFFIXES, read_picture
from crossbench.data.inputs.interface import InputKind
from crossbench.data.inputs.mosaic import draw_phantom
from crossbench.data.inputs.pixels import as_picture, pixel_features

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from crossbench.data.inputs.interface import Reader
    from crossbench.data.transforms import BatchTransform
    from crossbench.specs import InputSettings, Statistics, TaskCard

_FEATURE_SIDE = 32  # longest side in pixels that the plain baselines see
_PHANTOM_SIDE = 64


class Image(InputKind):
    """Stored as (N, H, W), (N, H, W, C) or (N, C, H, W); three channels are fed."""

    name = "image"
    dims = 2
    axes = "HW"
    channels = (1, 3)
    channels_fed = 3
    sized = True
    made_of = "volume"

    def canonical(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        where: str,
        axes: str | None = None,
        least: int = 2,
    ) -> NDArray[Any]:
        """(N, C, H, W) views."""
        return canonical_images(self, arrays["images"], where=where, axes=axes, least=least)

    def reduced(self, images: NDArray[Any]) -> NDArray[Any]:
        """(N, C, H, W) slices of volumes with the greatest sum, the first of equals."""
        largest = images.sum(axis=(1, 3, 4)).argmax(axis=1)
        slices: NDArray[Any] = images[np.arange(len(images)), :, largest]
        return slices

    def readers(self) -> dict[str, Reader]:
        """Pictures."""
        return dict.fromkeys(PICTURE_SUFFIXES, read_picture)

    def phantom(self, card: TaskCard) -> dict[str, NDArray[Any]]:
        """Mosaics, channels last."""
        return draw_phantom(card, dims=self.dims, side=_PHANTOM_SIDE, channels_last=True)

    def fed_shape(
        self, card: TaskCard, sample_shape: tuple[int, ...], max_size: int | None
    ) -> tuple[int, ...]:
        """A square of the card's input size or else the stored short side, at most ``max_size``."""
        side = card.input_size or min(sample_shape)
        return (min(side, max_size or side),) * 2

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

    def features(self, images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Pixels at 32 a side."""
        return pixel_features(images, index, _FEATURE_SIDE)

    def pictures(self, sample: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """The image."""
        return [as_picture(sample)]
