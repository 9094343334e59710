"""What a run computes on, as protocols see it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.inputs.interface import InputKind
    from crossbench.data.splits import Split
    from crossbench.data.transforms import BatchTransform, RandomSource
    from crossbench.nets.weights.checkpoint import FittedNetwork
    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.specs import Preset, RunKey
    from crossbench.training.loader import BatchLoader

    ValueRange = tuple[float, float] | None
    Transforms = tuple[BatchTransform, BatchTransform]

T = TypeVar("T")


class Context(Protocol):
    """One run: its samples, network, loaders, transforms and device."""

    @property
    def key(self) -> RunKey:
        """The run, in the words of the request."""

    @property
    def preset(self) -> Preset:
        """The settings."""

    @property
    def kind(self) -> InputKind:
        """The kind of the task's inputs."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, *spatial) of what a network is fed."""

    @property
    def dataset(self) -> Dataset:
        """The task's samples."""

    @property
    def split(self) -> Split:
        """Samples that train, validate and test, as dataset indices."""

    @property
    def device(self) -> torch.device:
        """Where networks run."""

    @property
    def cache_dir(self) -> Path:
        """Where features are kept."""

    def network(self, *, num_classes: int, seed: tuple[str | int, ...]) -> torch.nn.Module:
        """The run's network on its device, drawn from a seed of its own."""

    def random(self, *parts: str | int) -> RandomSource:
        """A source of random numbers on the device that depends on every part."""

    def transforms(self) -> tuple[ValueRange, Transforms]:
        """The stored value range that becomes [0, 1]; the transforms of training and testing."""

    def loaders(self, transforms: Transforms) -> tuple[BatchLoader, BatchLoader, BatchLoader]:
        """The three parts of the split as batches."""

    def batches(
        self, indices: NDArray[np.int64], transform: BatchTransform, batch_size: int
    ) -> BatchLoader:
        """Some of the samples as batches."""

    def shared(self, make: Callable[[], T]) -> T:
        """What the runs that share this one's features share, made by the first of them."""

    def sharing_samples(self) -> NDArray[np.int64]:
        """Samples of all runs that share this one's features, as ascending dataset indices."""

    def features_depend_on(self, limits: ValueRange) -> dict[str, Any]:
        """What decides the features of a frozen network besides its weights, as JSON."""

    def diagnose(self, model: torch.nn.Module, test: BatchLoader) -> Diagnostics | None:
        """Per-layer diagnostics of the fitted network, where they are asked for."""

    def keep(
        self, tensors: Callable[[], Mapping[str, torch.Tensor]], limits: ValueRange
    ) -> FittedNetwork | None:
        """The fitted network, where such are to be kept."""
