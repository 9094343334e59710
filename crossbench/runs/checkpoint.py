"""A run's fitted network as it is kept: its tensors, and how new samples are put to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossbench.files.hashing import hash_json
from crossbench.nets.weights.checkpoint import CheckpointMetadata
from crossbench.runs.exposure import seen_in
from crossbench.specs.preparation import Preparation  # noqa: TC001  (the strict reader evaluates it)
from crossbench.specs.reader import to_mapping

if TYPE_CHECKING:
    from crossbench.data.dataset import Dataset
    from crossbench.runs.plan import PlannedRun, TaskPlan


# What differs between runs that are otherwise made alike: samples, and weights of a fold's own.
_NOT_RECIPE = ("seed", "split", "data", "weights")


@dataclass(frozen=True, kw_only=True)
class Details:
    """What the checkpoint of a run says of it beyond what every checkpoint does.

    Attributes:
        identity: Of the run.
        task: Name of the task.
        classes: Class names; the index is the output.
        kind: Input kind of the task.
        sample_shape: (C, *spatial) of a sample, its axes in the kind's order.
        fed_shape: Spatial shape of what the network is fed.
        value_range: Stored values that become 0 and 1; None takes each sample's own.
        settings: Every setting that the network was fitted under, as in the record.
        axes: The order in which the task's file stores the axes in space, where it is another.
        preparation: How single files became samples of the task, where they did.
        input: Options of the input kind on the task's card.
    """

    identity: str
    task: str
    classes: tuple[str, ...]
    kind: str
    sample_shape: tuple[int, ...]
    fed_shape: tuple[int, ...]
    value_range: tuple[float, float] | None
    settings: dict[str, Any]
    axes: str | None = None
    preparation: Preparation | None = None
    input: dict[str, Any] = field(default_factory=dict)


def describe_fitted(
    run: PlannedRun,
    task: TaskPlan,
    dataset: Dataset,
    value_range: tuple[float, float] | None,
) -> CheckpointMetadata:
    """What the checkpoint of a run says of itself.

    Args:
        run: The run, of a network.
        task: The runs on its task.
        dataset: The task's samples.
        value_range: Stored values that became 0 and 1; None where each sample has its own.
    """
    card, axes = task.card, dataset.axes
    details = Details(
        identity=run.identity,
        task=card.name,
        classes=card.classes,
        kind=card.kind,
        sample_shape=task.sample_shape,
        fed_shape=task.shape,
        value_range=value_range,
        settings=run.settings or {},
        axes=axes if axes is not None and len(axes) == card.dimension else None,
        preparation=card.preparation,
        input=card.input,
    )
    recipe = {name: part for name, part in run.hashes.items() if name not in _NOT_RECIPE}
    return CheckpointMetadata(
        method=run.key.method,
        dims=card.dimension,
        backbone=run.key.backbone,
        num_classes=dataset.num_classes,
        recipe=hash_json(recipe),
        statistics=None if run.init is None else run.init.statistics,
        seen=seen_in(dataset, run.split, run.init),
        details=to_mapping(details),
    )
