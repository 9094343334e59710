"""What the runs on one task share, and what each makes of it: its network and its inputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from crossbench import nets
from crossbench.data.scaling import value_range
from crossbench.data.transforms import make_transforms
from crossbench.environment.state import unchanged
from crossbench.errors import DataError
from crossbench.nets.weights.checkpoint import read_checkpoint
from crossbench.runs.plan import input_shape, input_size
from crossbench.specs import RANDOM
from crossbench.training.loader import Feed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.transforms import BatchTransform
    from crossbench.methods import Method
    from crossbench.nets.weights.init import Init
    from crossbench.runs.plan import PlannedRun, Request, TaskPlan
    from crossbench.runs.routes import Probed

#: Channel means and standard deviations of the data that a 2D network was pretrained on.
STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "radimagenet": ((0.3162,) * 3, (0.3213,) * 3),
}


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the runs on one task share.

    Attributes:
        request: What was asked for.
        task: The runs on the task.
        opened: Its samples, or why they can no longer be opened.
        device: Where networks run.
        probed: Frozen networks by what distinguishes their features, filled by linear probes.
    """

    request: Request
    task: TaskPlan
    opened: Dataset | DataError
    device: torch.device
    probed: dict[tuple[str, int, int | None], Probed] = field(default_factory=dict)

    @property
    def dataset(self) -> Dataset:
        """The task's samples.

        Raises:
            DataError: If they can no longer be opened.
        """
        if isinstance(self.opened, DataError):
            raise self.opened
        return self.opened

    @property
    def shape(self) -> tuple[int, ...]:
        """Spatial shape of what a network is fed."""
        return input_shape(self.task.card, self.task.sample_shape, self.request.preset)

    def method(self, run: PlannedRun) -> Method:
        """The method of a run that has a network."""
        return next(each for each in self.request.methods if each.name == run.key.method)

    def network(self, run: PlannedRun, *, num_classes: int, seed: int) -> torch.nn.Module:
        """The run's network on its device, drawn from a seed of its own."""
        request, init = self.request, init_of(run)
        weights = (
            RANDOM if init.sha256 is None else read_checkpoint(init.source, sha256=init.sha256)
        )
        torch.manual_seed(seed)
        with unchanged():
            return nets.build_model(
                self.method(run),
                dims=self.task.card.dimension,
                num_classes=num_classes,
                init=weights,
                backbone=request.backbone,
                drop_keys=request.preset.drop_keys.get(run.key.method, ()),
            ).to(self.device)

    def feed(
        self,
        indices: NDArray[np.int64],
        transform: BatchTransform,
        batch_size: int,
        *,
        forked_workers: int = 0,
    ) -> Feed:
        """Some of the samples as batches."""
        return Feed(
            dataset=self.dataset,
            indices=indices,
            transform=transform,
            batch_size=batch_size,
            device=self.device,
            workers=self.request.preset.compute.workers,
            forked_workers=forked_workers,
        )

    def feeds(
        self, run: PlannedRun, transforms: tuple[BatchTransform, BatchTransform]
    ) -> tuple[Feed, Feed, Feed]:
        """The three parts of a run's split as batches."""
        augmented, plain = transforms
        size, split = self.request.preset.fit.batch_size, run.split
        # Only the 3D script augments by a library that keeps a random state of its own.
        forked = self.request.preset.input.forked_workers if self.task.card.dimension == 3 else 0
        return (
            self.feed(split.train, augmented, size, forked_workers=forked),
            self.feed(split.val, plain, size),
            self.feed(split.test, plain, size),
        )

    def transforms(
        self, run: PlannedRun
    ) -> tuple[tuple[float, float] | None, tuple[BatchTransform, BatchTransform]]:
        """The stored value range that becomes [0, 1]; the transforms of training and testing."""
        card, inputs = self.task.card, self.request.preset.input
        limits = value_range(self.dataset.images, inputs.scaling, run.split.train)
        mean, std = STATISTICS[init_of(run).statistics]
        return limits, make_transforms(
            dimension=card.dimension,
            input_size=input_size(card, self.task.sample_shape, self.request.preset),
            value_range=limits,
            mean=mean,
            std=std,
            crop_scale=inputs.crop_scale,
            augment=inputs.augment,
            jitter_order=inputs.jitter_order,
        )


def init_of(run: PlannedRun) -> Init:
    """The weights of a run that has a network."""
    if run.init is None:
        raise ValueError(f"{run.key} is a plain baseline and starts from no weights")
    return run.init
