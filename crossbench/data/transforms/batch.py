"""Parts that the transforms of all kinds share: whole batches, on the run's device.

Gray stays one channel for as long as the result is the same: resampling, scaling and colour
jitter treat equal channels equally, and normalisation commutes with resampling, whose
weights sum to one. The three channels come apart in :func:`normalise`, which notes that they
were one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from crossbench.data.transforms.gray import Triple, note_gray
from crossbench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

#: Channel means and standard deviations of the data that a 2D network was pretrained on.
STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "radimagenet": ((0.3162,) * 3, (0.3213,) * 3),
    "inception": ((0.5,) * 3, (0.5,) * 3),
    "unit": ((0.0,) * 3, (1.0,) * 3),
}


class BatchTransform(Protocol):
    """Transform of a stored batch into a batch of network inputs."""

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


def change_some(batch: Tensor, which: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Replace the samples picked by ``which`` (B,) bool; ``change`` sees these and their index."""
    index = which.nonzero().squeeze(1)
    if len(index) == len(which):
        return change(batch, index)
    if not len(index):
        return batch
    there = index.to(batch.device)
    return batch.index_copy(0, there, change(batch[there], index))


def required(random: RandomSource | None) -> RandomSource:
    """The random source that augmentation needs."""
    if random is None:
        msg = "random is None, but augmentation draws random numbers; pass a RandomSource"
        raise ValueError(msg)
    return random


def check_batch(raw: Tensor, *, axes: str) -> None:
    """Refuse a batch of the wrong rank or with channels that have no place.

    Raises:
        DataError: Naming the shape.
    """
    shape = tuple(raw.shape)
    if raw.dim() != len(axes) + 2:
        msg = f"a batch of a {len(axes)}D task has shape ({', '.join('BC' + axes)}), not {shape}"
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
    batch = centred.div_(x.new_tensor(std).view(shape)).contiguous()
    if x.shape[1] == 1:
        note_gray(batch, mean, std)
    return batch
