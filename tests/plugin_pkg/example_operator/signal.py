"""Signals of unequal length: padded in the file, cropped or padded for the network.

A file holds ``images`` (N, T), padded at the end, and ``lengths`` (N,). A canonical sample is
(2, T): the values, and 1 where there is one, so that lengths go wherever samples go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from crossbench.data.inputs import InputKind
from crossbench.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from crossbench.data.transforms import BatchTransform, RandomSource
    from crossbench.specs import InputSettings, Statistics, TaskCard

_POINTS = 32  # that the plain baselines see
_HEIGHT, _WIDTH = 48, 96  # of a picture


class Signal(InputKind):
    """One value a time, fed as (1, T) of a fixed length."""

    name = "signal"
    dims = 1
    axes = "T"
    channels = (2,)
    channels_fed = 1
    extras = ("lengths",)
    sized = True
    caption = "Amplitude over time, from left to right."

    def canonical(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        where: str,
        axes: str | None = None,
        least: int = 2,
    ) -> NDArray[Any]:
        """(N, 2, T) float32: values, 0 where there is none, and whether there is one."""
        values = np.asarray(arrays["images"], np.float32)
        if values.ndim != 2 or len(values) < least:
            raise DataError(f"{where}: signals have shape {values.shape}; they need (N, T)")
        lengths = arrays.get("lengths", np.full(len(values), values.shape[1]))
        if lengths.shape != (len(values),) or lengths.min() < 1 or lengths.max() > values.shape[1]:
            raise DataError(f"{where}: lengths must be one from 1 to {values.shape[1]} a signal")
        there = np.arange(values.shape[1]) < lengths[:, None]
        return np.stack([np.where(there, values, np.float32(0)), there.astype(np.float32)], axis=1)

    def phantom(self, card: TaskCard) -> dict[str, NDArray[Any]]:
        """Noisy waves whose period grows with the class, of 40 to 90 values."""
        rng = np.random.default_rng(len(card.name))
        labels = np.arange(60) % len(card.classes)
        lengths = rng.integers(40, 91, len(labels))
        phase = rng.uniform(0, 2 * np.pi, (len(labels), 1))
        waves = np.sin(2 * np.pi * np.arange(90) / (6 + 10 * labels[:, None]) + phase)
        noisy = waves + 0.2 * rng.standard_normal(waves.shape)
        return {"images": noisy.astype(np.float32), "lengths": lengths, "labels": labels}

    def fed_shape(
        self, card: TaskCard, sample_shape: tuple[int, ...], settings: InputSettings
    ) -> tuple[int, ...]:
        """The card's input size or else the stored length, within the bounds."""
        length = card.input_size or sample_shape[0]
        return (max(min(length, settings.max_size or length), settings.min_size or 1),)

    def transforms(
        self,
        shape: tuple[int, ...],
        *,
        value_range: tuple[float, float] | None,
        statistics: Statistics,
        settings: InputSettings,
    ) -> tuple[BatchTransform, BatchTransform]:
        """Each signal by its own mean and standard deviation; a random place for training."""
        evaluate = SignalTransform(length=shape[0])
        return replace(evaluate, augment=settings.augment), evaluate

    def features(self, images: NDArray[Any], index: NDArray[np.int64]) -> NDArray[np.float64]:
        """Magnitudes of the first 32 frequencies."""
        signals = [sample[0, sample[1] > 0] for sample in images[index]]
        spectra = [np.abs(np.fft.rfft(signal, 2 * _POINTS))[:_POINTS] for signal in signals]
        return np.array([spectrum / (spectrum.max() or 1) for spectrum in spectra])

    def pictures(self, sample: NDArray[Any]) -> list[NDArray[np.uint8]]:
        """The curve, white on black."""
        values = sample[0, sample[1] > 0]
        columns = np.linspace(0, len(values) - 1, _WIDTH).round().astype(int)
        span = np.ptp(values) or 1
        rows = ((values.max() - values[columns]) / span * (_HEIGHT - 1)).round().astype(int)
        picture = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
        picture[rows, np.arange(_WIDTH)] = 255
        return [picture]


@dataclass(frozen=True)
class SignalTransform:
    """Normalise each signal, and crop or pad it to a length.

    Attributes:
        length: Values that a network is fed.
        augment: Whether the place of the crop, or of the signal in the padding, is random.
    """

    length: int
    augment: bool = False

    def __call__(self, raw: Tensor, random: RandomSource | None = None) -> Tensor:
        """(B, 2, T) stored signals as (B, 1, length) float32."""
        import torch

        values, there = raw[:, 0].float(), raw[:, 1] > 0
        count = there.sum(1, keepdim=True)
        mean = (values * there).sum(1, keepdim=True) / count
        centred = (values - mean) * there
        normal = centred / (centred.square().sum(1, keepdim=True) / count).sqrt().clamp(min=1e-6)
        place = 0.5
        if self.augment:
            if random is None:
                raise ValueError("random is None, but augmentation draws; pass a RandomSource")
            place = random.uniform(len(raw), 1).to(raw.device)
        free = count - self.length
        start = (free.sign() * ((free.abs() + 1) * place).floor()).long()
        index = start + torch.arange(self.length, device=raw.device)
        inside = (index >= 0) & (index < count)
        return (normal.gather(1, index.clamp(0, values.shape[1] - 1)) * inside)[:, None]
