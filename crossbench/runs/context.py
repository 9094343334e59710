"""What a run computes on: samples, network, loaders, transforms, device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from crossbench.data.scaling import value_range
from crossbench.data.transforms import RandomSource
from crossbench.environment.arithmetic import derive_seed, thread_count
from crossbench.environment.provenance import hardware, package_versions
from crossbench.environment.state import unchanged
from crossbench.nets.build import build_model
from crossbench.nets.weights.checkpoint import FittedNetwork, read_checkpoint
from crossbench.registry.method_origin import method_origin
from crossbench.registry.methods import load_observers
from crossbench.runs.checkpoint import describe_fitted
from crossbench.runs.samples import open_samples
from crossbench.specs import RANDOM, RunKey
from crossbench.training.diagnostics import diagnose
from crossbench.training.loader import BatchLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.inputs.interface import InputKind
    from crossbench.data.splits import Split
    from crossbench.data.transforms import BatchTransform
    from crossbench.methods import Method
    from crossbench.nets.weights.init import Init
    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.runs.plan import PlannedRun, TaskPlan
    from crossbench.runs.request import Resolved
    from crossbench.specs import Preset

T = TypeVar("T")


@dataclass(kw_only=True)
class TaskContext:
    """What the runs on one task share.

    Attributes:
        request: What was asked for.
        task: The runs on the task.
        device: Where networks run.
        opened: The task's samples, where they are open already.
        origin: Where the runs' one method is from, where that is known already.
    """

    request: Resolved
    task: TaskPlan
    device: torch.device
    opened: Dataset | None = None
    origin: dict[str, Any] | None = None
    _shared: tuple[Hashable, Any] | None = None

    @cached_property
    def dataset(self) -> Dataset:
        """The task's samples, opened when a run first asks for them.

        Raises:
            DataError: If they can no longer be opened, which fails each of the runs.
        """
        if self.opened is not None:
            return self.opened
        request = self.request
        return open_samples(self.task.card, request.preset, request.data_dir, request.cache_dir)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """What runs with one key share; that of the latest key alone is kept."""
        if self._shared is None or self._shared[0] != key:
            self._shared = key, make()
        found: T = self._shared[1]
        return found


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """One planned run, and what it computes on.

    Attributes:
        of_task: What it shares with other runs on the task.
        run: The run.
    """

    of_task: TaskContext
    run: PlannedRun

    @property
    def request(self) -> Resolved:
        """What was asked for."""
        return self.of_task.request

    @property
    def key(self) -> RunKey:
        """The run, in the words of the request."""
        return self.run.key

    @cached_property
    def kind(self) -> InputKind:
        """The kind of the task's inputs, with what it takes from the training part."""
        return self.task.kind.fitted(self.dataset.images, self.split.train, self.preset.input)

    @property
    def cache_dir(self) -> Path:
        """Where features are kept."""
        return self.request.cache_dir

    @property
    def preset(self) -> Preset:
        """The settings."""
        return self.request.preset

    @property
    def task(self) -> TaskPlan:
        """The runs on the task."""
        return self.of_task.task

    @property
    def dataset(self) -> Dataset:
        """The task's samples."""
        return self.of_task.dataset

    @property
    def device(self) -> torch.device:
        """Where networks run."""
        return self.of_task.device

    @property
    def split(self) -> Split:
        """Samples that train, validate and test, as dataset indices."""
        return self.run.split

    @property
    def method(self) -> Method:
        """The method of a run that has a network."""
        if self.run.method is None:
            raise ValueError(f"{self.run.key} is a plain baseline and has no network")
        return self.run.method

    @property
    def origin(self) -> dict[str, Any] | None:
        """Where the method is from; None of a plain baseline."""
        if self.run.method is None:
            return None
        return self.of_task.origin or method_origin(self.run.method)

    @property
    def init(self) -> Init:
        """The weights of a run that has a network."""
        if self.run.init is None:
            raise ValueError(f"{self.run.key} is a plain baseline and starts from no weights")
        return self.run.init

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, *spatial) of what a network is fed."""
        return self.task.input_shape

    def network(self, *, num_classes: int, seed: tuple[str | int, ...]) -> torch.nn.Module:
        """The run's network on its device, drawn from a seed of its own."""
        init, settings = self.init, self.run.settings or {}
        weights = (
            RANDOM if init.sha256 is None else read_checkpoint(init.source, sha256=init.sha256)
        )
        torch.manual_seed(derive_seed(*seed))
        with unchanged():
            return build_model(
                self.method,
                dims=self.task.card.dimension,
                kind=self.task.card.kind,
                shape=self.task.shape,
                facts=self.task.facts,
                num_classes=num_classes,
                init=weights,
                backbone=self.run.key.backbone,
                drop_keys=settings["drop_keys"],
                **self.preset.network.options,
            ).to(self.device)

    def random(self, *parts: str | int) -> RandomSource:
        """A source of random numbers on the device that depends on every part."""
        return RandomSource(derive_seed(*parts), self.device)

    def batches(
        self,
        indices: NDArray[np.int64],
        transform: BatchTransform,
        batch_size: int,
        *,
        forked_workers: int = 0,
    ) -> BatchLoader:
        """Some of the samples as batches."""
        return BatchLoader(
            dataset=self.dataset,
            indices=indices,
            transform=transform,
            batch_size=batch_size,
            device=self.device,
            workers=self.preset.compute.workers,
            forked_workers=forked_workers,
        )

    def loaders(
        self, transforms: tuple[BatchTransform, BatchTransform]
    ) -> tuple[BatchLoader, BatchLoader, BatchLoader]:
        """The three parts of the split as batches."""
        augmented, plain = transforms
        size, split = self.preset.fit.batch_size, self.split
        forked = self.task.kind.forked_workers(self.preset.input)
        return (
            self.batches(split.train, augmented, size, forked_workers=forked),
            self.batches(split.val, plain, size),
            self.batches(split.test, plain, size),
        )

    def transforms(
        self,
    ) -> tuple[tuple[float, float] | None, tuple[BatchTransform, BatchTransform]]:
        """The stored value range that becomes [0, 1]; the transforms of training and testing."""
        inputs = self.preset.input
        limits = value_range(self.dataset.images, inputs.scaling, self.split.train)
        return limits, self.kind.transforms(
            self.task.shape,
            value_range=limits,
            statistics=self.init.statistics,
            settings=inputs,
        )

    def shared(self, make: Callable[[], T]) -> T:
        """What the runs that share this one's features share."""
        return self.of_task.shared(self.run.feature_key, make)

    def sharing_samples(self) -> NDArray[np.int64]:
        """Samples of all runs that share this one's features, as ascending dataset indices."""
        key = self.run.feature_key
        splits = [run.split for run in self.task.runs if run.feature_key == key]
        parts = [part for each in splits for part in (each.train, each.val, each.test)]
        return np.unique(np.concatenate(parts))

    def features_depend_on(self, limits: tuple[float, float] | None) -> dict[str, Any]:
        """What decides the features of a frozen network besides its weights, as JSON."""
        parts = ("method", "task", "data", "config", "kind")
        learnt = self.task.kind.learns(self.preset.input)
        return {
            **({"split": self.split.content_hash} if learnt else {}),
            "hashes": {name: self.run.hashes.get(name) for name in parts},
            "range": limits,
            "statistics": self.init.statistics,
            "versions": package_versions(),
            "hardware": hardware(self.device),
            "threads": thread_count(self.preset.compute),
        }

    def diagnose(self, model: torch.nn.Module, test: BatchLoader) -> Diagnostics | None:
        """Per-layer diagnostics of the fitted network, where they are asked for."""
        if not self.request.asked.diagnostics:
            return None
        return diagnose(
            model,
            test,
            load_observers(),
            identity=self.run.identity,
            precision=self.preset.compute.precision,
        )

    def keep(
        self,
        tensors: Callable[[], Mapping[str, torch.Tensor]],
        limits: tuple[float, float] | None,
    ) -> FittedNetwork | None:
        """The fitted network, where such are to be kept."""
        if not self.request.asked.save_weights:
            return None
        return FittedNetwork(
            tensors=tensors(), about=describe_fitted(self.run, self.task, self.dataset, limits)
        )
