"""Data for pretraining: a task's training and validation parts, or images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from crossbench.data.formats.folder import FolderPart, Listing, open_folder
from crossbench.data.inputs import kind_of
from crossbench.data.scaling import value_range
from crossbench.data.transforms.batch import STATISTICS, RandomSource
from crossbench.data.transforms.image import ImageTransform
from crossbench.environment.provenance import available_cores
from crossbench.errors import RequestError
from crossbench.runs.exposure import seen_in
from crossbench.runs.samples import draw_splits, open_samples
from crossbench.specs import Statistics  # noqa: TC001  (Inputs becomes a mapping)
from crossbench.training.loader import BatchLoader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.nets.weights.checkpoint import TrainingSamples
    from crossbench.pretraining.loop import Part
    from crossbench.pretraining.request import Pretraining
    from crossbench.specs import PretrainSettings, TaskCard

_FOLDER_SIZE = 224


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The settings of inputs, with what they left to the data filled in.

    Attributes:
        size: Side length in pixels.
        statistics: Whose channel statistics normalise them.
        workers: Threads that read ahead.
    """

    size: int
    statistics: Statistics
    workers: int


@dataclass(frozen=True, kw_only=True)
class Source:
    """Opened data, ready to be trained on.

    Attributes:
        name: Of the task or folder.
        kind: ``folder``, or where a task's samples come from.
        num_classes: Number of classes.
        inputs: How samples are fed.
        hashes: Of the data and of the split.
        train: What is learnt from.
        val: What is scored.
        seen: The samples in both, where they can be told.
        warnings: What a reader of the result should know.
    """

    name: str
    kind: Literal["folder", "real", "embedded", "phantom"]
    num_classes: int
    inputs: Inputs
    hashes: dict[str, str]
    train: Part
    val: Part
    seen: tuple[TrainingSamples, ...] = ()
    warnings: tuple[str, ...] = ()


def open_source(planned: Pretraining) -> Source:
    """Open the data of a pretraining, for its seed and fold.

    Raises:
        RequestError: If there is no such fold.
        DataError: If the data is missing, damaged, or cannot be split.
    """
    data = planned.data
    return _folder(planned, data) if isinstance(data, Path) else _task(planned, data)


# ----------------------------------------------------------------------------------- tasks


@dataclass(frozen=True, kw_only=True)
class TaskPart:
    """A part of a task as :class:`crossbench.pretraining.loop.Part`."""

    loader: BatchLoader

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) int64 labels."""
        return self.loader.labels

    @property
    def unreadable(self) -> set[str]:
        """None: the file was checked when it was opened."""
        return set()

    def check(self, unreadable: set[str]) -> None:
        """Nothing to refuse."""

    def stream(
        self, batches: Sequence[NDArray[np.int64]], seed: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of network inputs, augmented where a seed is given."""
        random = None if seed is None else RandomSource(seed, self.loader.device)
        return self.loader.stream(batches, random)


def _task(planned: Pretraining, card: TaskCard) -> Source:
    """The training and validation part of one split; its test part is never read."""
    run, preset = planned.run, planned.run.preset
    dataset = open_samples(card, preset, run.data_dir, run.cache_dir)
    (split,) = draw_splits(preset, dataset)
    stored = dataset.images.shape[2:]
    inputs = _inputs(
        planned.settings,
        size=kind_of(card).fed_shape(card, stored, preset.input)[0],
        statistics="radimagenet" if dataset.images.shape[1] == 1 else "imagenet",
        workers=0,
    )
    train, val = _task_parts(planned, inputs, dataset, split)
    return Source(
        name=card.name,
        kind=dataset.source,
        num_classes=dataset.num_classes,
        inputs=inputs,
        hashes={"data": dataset.content_hash, "split": split.content_hash},
        train=train,
        val=val,
        seen=seen_in(dataset, split),
        warnings=split.warnings,
    )


def _task_parts(
    planned: Pretraining, inputs: Inputs, dataset: Dataset, split: Split
) -> tuple[TaskPart, TaskPart]:
    """Both parts. A range over the whole array would look at the test part: training's serves."""
    scaling = planned.run.preset.input.scaling
    settings = planned.settings
    mean, std = STATISTICS[inputs.statistics]
    plain = ImageTransform(
        value_range=value_range(
            dataset.images, "train" if scaling == "global" else scaling, split.train
        ),
        mean=mean,
        std=std,
        size=inputs.size,
        crop_scale=settings.crop_scale,
        jitter=False,
    )
    train, val = (
        TaskPart(
            loader=BatchLoader(
                dataset=dataset,
                indices=indices,
                transform=transform,
                batch_size=settings.batch_size,
                device=planned.device,
                workers=inputs.workers,
            )
        )
        for indices, transform in (
            (split.train, replace(plain, augment=True)),
            (split.val, plain),
        )
    )
    return train, val


# --------------------------------------------------------------------------------- folders


def _folder(planned: Pretraining, path: Path) -> Source:
    if planned.fold != 0:
        raise RequestError(f"a folder of images has fold 0 alone, not {planned.fold}")
    folder = open_folder(path)
    settings = planned.settings
    inputs = _inputs(settings, size=_FOLDER_SIZE, statistics="imagenet", workers=available_cores())
    mean, std = STATISTICS[inputs.statistics]

    def part(listing: Listing) -> FolderPart:
        return FolderPart(
            listing=listing,
            size=inputs.size,
            crop_scale=settings.crop_scale,
            mean=mean,
            std=std,
            device=planned.device,
            workers=inputs.workers,
            max_unreadable=settings.max_unreadable,
        )

    return Source(
        name=path.name,
        kind="folder",
        num_classes=len(folder.classes),
        inputs=inputs,
        hashes={"data": folder.content_hash},
        train=part(folder.train),
        val=part(folder.val),
    )


def _inputs(given: PretrainSettings, *, size: int, statistics: Statistics, workers: int) -> Inputs:
    """Settings of inputs, those not given filled in from the data."""
    return Inputs(
        size=given.size or size,
        statistics=given.statistics or statistics,
        workers=workers if given.workers is None else given.workers,
    )
