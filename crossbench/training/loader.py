"""Batches of one part of a dataset, read on the host and transformed on the device."""

from __future__ import annotations

import itertools
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from crossbench.environment.spans import span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.transforms import BatchTransform, RandomSource

_TORCH_READS = {"uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"}


@dataclass(frozen=True, kw_only=True)
class BatchLoader:
    """Batches of network inputs from one part of a dataset.

    Attributes:
        dataset: The task's samples.
        indices: (n,) int64 samples of this part.
        transform: From stored values to network inputs, whole batches at a time.
        batch_size: Samples a batch.
        device: Where batches are transformed and used.
        workers: Prefetch threads; 0 loads synchronously. The order never depends on it.
        forked_workers: How many loader processes are imitated that were forked with one random
            state: batches of as many share their draws, in every epoch the same; 0 imitates none.
    """

    dataset: Dataset
    indices: NDArray[np.int64]
    transform: BatchTransform
    batch_size: int
    device: torch.device
    workers: int = 0
    forked_workers: int = 0

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) int64 labels in the order of :meth:`ordered`."""
        return self.dataset.labels[self.indices]

    def ordered(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches in the order of the indices, nothing drawn at random.

        Yields:
            (B, 3, *spatial) float32 inputs and (B,) int64 labels.

        Raises:
            DataError: If the file of mapped samples was written to since it was opened.
        """
        positions = np.arange(len(self))
        size = self.batch_size
        batches = [positions[start : start + size] for start in range(0, len(self), size)]
        return self.stream(batches, None)

    def shuffled(self, random: RandomSource) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches in a drawn order, augmented; a last batch of one joins the one before.

        BatchNorm cannot normalise one value a channel, which is what one sample leaves at
        the end of a small network.
        """
        return self.stream(shuffled_batches(len(self), self.batch_size, random), random)

    def stream(
        self, batches: Sequence[NDArray[np.int64]], random: RandomSource | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Chosen batches in their order, positions counted as in :meth:`ordered`."""
        read = self._read(batches)
        for number in range(len(batches)):
            with span("load", fine=True):
                images, labels = next(read)
            source = random
            if random is not None and self.forked_workers:
                source = random.replica(number // self.forked_workers)
            with span("augment", fine=True):
                inputs = self.transform(images.to(self.device, non_blocking=True), source)
            yield inputs, labels.to(self.device, non_blocking=True)

    def _read(
        self, batches: Sequence[NDArray[np.int64]]
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        if self.workers == 0:
            yield from map(self._gather, batches)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            pending: deque[Future[tuple[torch.Tensor, torch.Tensor]]] = deque()
            for batch in batches:
                pending.append(pool.submit(self._gather, batch))
                if len(pending) > self.workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()

    def _gather(self, positions: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        self.dataset.check_unchanged()  # bytes that are gone would end the process
        chosen = self.indices[positions]
        images = np.ascontiguousarray(self.dataset.images[chosen])
        if images.dtype.name not in _TORCH_READS or not images.dtype.isnative:
            images = images.astype(np.float32)
        return torch.from_numpy(images), torch.from_numpy(self.dataset.labels[chosen])


def shuffled_batches(samples: int, size: int, random: RandomSource) -> list[NDArray[np.int64]]:
    """Positions in a drawn order, cut into batches; a last one joins the batch before."""
    positions = torch.randperm(samples, generator=random.cpu).numpy()
    return np.split(positions, _cuts(samples, size))


def smallest_batch(samples: int, batch_size: int) -> int:
    """Samples of the smallest batch that :meth:`BatchLoader.shuffled` makes of so many."""
    ends = [0, *_cuts(samples, batch_size), samples]
    return min(end - start for start, end in itertools.pairwise(ends))


def _cuts(samples: int, batch_size: int) -> list[int]:
    """Where batches for training begin, but for the first; the last is not of one sample."""
    cuts = list(range(batch_size, samples, batch_size))
    if cuts and samples - cuts[-1] == 1:
        cuts.pop()
    return cuts
