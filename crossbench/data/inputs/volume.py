"""Volumes: (C, D, H, W), fed at the size that they are stored in, or enlarged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossbench.data.formats.nifti import NIFTI_SUFFIXES, read_nifti
from crossbench.data.inputs.mosaic import draw_phantom
from crossbench.data.inputs.pixels import PixelKind, as_picture

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crossbench.data.inputs.interface import Reader
    from crossbench.data.transforms import BatchTransform
    from crossbench.specs import InputSettings, Statistics, TaskCard

_PHANTOM_SIDE, _PHANTOM_SIDE_CHANNELS = 32, 24


class Volume(PixelKind):
    """Stored as (N, D, H, W), (N, C, D, H, W) or (N, D, H, W, C); three channels are fed."""

    name = "volume"
    dims = 3
    axes = "DHW"
    channels = (1, 2, 3)
    channels_fed = 3
    feature_side = 16
    caption = "Middle slices: axial, coronal and sagittal from top to bottom."

    def doubts(self, images: NDArray[Any]) -> tuple[str, ...]:
        """A warning where volumes are deeper than wide: their slices may lie along another axis."""
        if images.shape[2] <= images.shape[4]:
            return ()
        shape = "x".join(map(str, images.shape[2:]))
        msg = f"volumes are {shape} (DxHxW), deeper than wide; if their slices lie along the last"
        return (f'{msg} axis, say axes = "WHD" under [source] on the card, else axes = "DHW"',)

    def readers(self) -> dict[str, Reader]:
        """NIfTI, where nibabel is installed."""
        return dict.fromkeys(NIFTI_SUFFIXES, read_nifti)

    def phantom(self, card: TaskCard) -> dict[str, NDArray[Any]]:
        """Mosaics, channels second."""
        side = _PHANTOM_SIDE if card.channels in (None, 1) else _PHANTOM_SIDE_CHANNELS
        return draw_phantom(card, dims=self.dims, side=side)

    def fed_shape(
        self,
        card: TaskCard,  # noqa: ARG002
        sample_shape: tuple[int, ...],
        settings: InputSettings,
    ) -> tuple[int, ...]:
        """The stored shape, each side at least ``min_size``."""
        return tuple(max(side, settings.min_size or 1) for side in sample_shape)

    def transforms(
        self,
        shape: tuple[int, ...],
        *,
        value_range: tuple[float, float] | None,
        statistics: Statistics,
        settings: InputSettings,
    ) -> tuple[BatchTransform, BatchTransform]:
        """Mirroring, rotation, zoom, noise and intensity shift for training; nothing else."""
        from crossbench.data.transforms.batch import STATISTICS
        from crossbench.data.transforms.volume import VolumeTransform

        mean, std = STATISTICS[statistics]
        evaluate = VolumeTransform(shape=shape, value_range=value_range, mean=mean, std=std)
        return replace(evaluate, augment=settings.augment), evaluate

    def forked_workers(self, settings: InputSettings) -> int:
        """The preset's: only the 3D script augments by a library with a random state of its own."""
        return settings.forked_workers

    def statistics(self, method: str, settings: InputSettings) -> Statistics | None:
        """RadImageNet's for the methods whose statistics the paper's 3D script fixes."""
        return "radimagenet" if method in settings.radimagenet_3d else None

    def pictures(self, sample: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """The middle axial, coronal and sagittal slices."""
        depth, height, width = (length // 2 for length in sample.shape[1:])
        planes = sample[:, depth], sample[:, :, height], sample[:, :, :, width]
        low, high = sample.min(), sample.max()
        return [as_picture(plane, low, high) for plane in planes]
