"""One planned run to one record; a plan to many."""

from __future__ import annotations

import dataclasses
import resource
import sys
import traceback
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from crossbench import nets
from crossbench.cards import to_mapping
from crossbench.data.scaling import value_range
from crossbench.data.transforms import RandomSource, make_transforms
from crossbench.evaluation.metrics import evaluate
from crossbench.evaluation.plain import predict_plain
from crossbench.plan import card_hash, fit_settings, input_size, open_dataset
from crossbench.provenance import git_state, hardware, package_versions
from crossbench.results.store import Predictions
from crossbench.specs import RunRecord
from crossbench.training.environment import arithmetic, derive_seed, thread_count
from crossbench.training.feed import Feed
from crossbench.training.fit import fit
from crossbench.training.predict import predict, probabilities

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.methods import Method
    from crossbench.plan import Plan, PlannedRun, Request, TaskPlan
    from crossbench.results.store import Store

#: Channel means and standard deviations of the data that a 2D network was pretrained on.
STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "radimagenet": ((0.3162,) * 3, (0.3213,) * 3),
}


class Listener(Protocol):
    """Who wants to know how a plan gets on; every call may be ignored."""

    def started(self, run: PlannedRun) -> None:
        """A run begins."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """``samples`` more went through the network."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """The run's record is on disk."""


class Silence:
    """A listener that ignores everything."""

    def started(self, run: PlannedRun) -> None:
        """Ignore."""

    def advanced(self, run: PlannedRun, samples: int) -> None:
        """Ignore."""

    def finished(self, run: PlannedRun, record: RunRecord) -> None:
        """Ignore."""


@dataclass
class _Product:
    """What a run yields besides its identity: the parts of a record."""

    probabilities: NDArray[np.float64]
    statistics: dict[str, Any]
    record: dict[str, Any] = field(default_factory=dict)


def execute(
    plan: Plan,
    store: Store,
    *,
    device: torch.device,
    listener: Listener | None = None,
    fail_fast: bool = False,
) -> list[RunRecord]:
    """Run what a plan has to do; each run leaves a record, failures included.

    Args:
        plan: What to run.
        store: Where records go.
        device: Where networks run.
        listener: Told of progress.
        fail_fast: Whether the first failure ends the plan.

    Returns:
        The records written, in order.
    """
    listener = listener or Silence()
    written: list[RunRecord] = []
    with arithmetic(plan.request.preset.compute):
        for task in plan.tasks:
            if not task.todo:
                continue
            dataset = open_dataset(plan.request, task.card)
            for run in task.todo:
                listener.started(run)
                record, predictions = _attempt(plan.request, task, dataset, run, device, listener)
                store.write(record, predictions)
                listener.finished(run, record)
                written.append(record)
                if fail_fast and record.status == "failed":
                    return written
    return written


def _attempt(
    request: Request,
    task: TaskPlan,
    dataset: Dataset,
    run: PlannedRun,
    device: torch.device,
    listener: Listener,
) -> tuple[RunRecord, Predictions | None]:
    """One run, whose failure is a record too."""
    begin = datetime.now(UTC)
    base = RunRecord(
        identity=run.identity,
        key=run.key,
        status="failed",
        source=dataset.source,
        dimension=task.card.dimension,
        metric=request.preset.metric or task.card.metric,
        grouped=run.split.grouped,
        counts={
            "train": len(run.split.train),
            "val": len(run.split.val),
            "test": len(run.split.test),
        },
        warnings=run.split.warnings,
        provenance=_provenance(request, task, run, device, begin),
    )
    clock = perf_counter()
    try:
        if run.key.plain:
            product = _run_plain(dataset, run)
        else:
            product = _run_method(
                request, task, dataset, run, device, lambda n: listener.advanced(run, n)
            )
        predictions = Predictions(
            index=run.split.test,
            label=dataset.labels[run.split.test],
            probabilities=product.probabilities.astype(np.float32),
        )
        scores = evaluate(predictions.label, predictions.probabilities)
    except Exception as error:  # noqa: BLE001  (whatever it was, the other runs go on)
        return dataclasses.replace(base, error=_describe(error)), None
    product.record.setdefault("timings", {})["total"] = perf_counter() - clock
    record = dataclasses.replace(
        base,
        status="ok",
        metrics=scores.metrics,
        undefined=scores.undefined,
        per_class=scores.per_class,
        peak_memory=_peak_memory(device),
        provenance=base.provenance | product.statistics,
        **product.record,
    )
    return record, predictions


def _run_plain(dataset: Dataset, run: PlannedRun) -> _Product:
    """A plain baseline: no network, no protocol."""
    predicted = predict_plain(
        run.key.method,
        images=dataset.images,
        labels=dataset.labels,
        covariate=dataset.covariate,
        num_classes=dataset.num_classes,
        train=np.concatenate([run.split.train, run.split.val]),
        test=run.split.test,
    )
    return _Product(probabilities=predicted, statistics={})


def _run_method(
    request: Request,
    task: TaskPlan,
    dataset: Dataset,
    run: PlannedRun,
    device: torch.device,
    on_samples: Callable[[int], None],
) -> _Product:
    """A network: build, fit, test.

    The order of samples and their augmentation depend on task, seed and fold alone, so that
    all methods see the same batches; the weights drawn depend on the method too.
    """
    preset, key = request.preset, run.key
    method = next(each for each in request.methods if each.name == key.method)
    clock = perf_counter()
    torch.manual_seed(derive_seed("weights", key.task, key.seed, key.fold, key.method))
    model = nets.build_model(
        method,
        dims=task.card.dimension,
        num_classes=dataset.num_classes,
        init=request.init,
        backbone=request.backbone,
        drop_keys=preset.drop_keys.get(method.name, ()),
    ).to(device)
    built = perf_counter()

    statistics = pretraining_statistics(request, method, task.card.dimension)
    train, validation, test = _feeds(request, task, dataset, run, device, statistics)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    fitted = fit(
        model,
        protocol=request.protocol,
        settings=preset.fit,
        train=train,
        validation=validation,
        random=RandomSource(derive_seed("batches", key.task, key.seed, key.fold), device),
        precision=preset.compute.precision,
        on_samples=on_samples,
    )
    testing = perf_counter()
    logits = predict(model, test, precision=preset.compute.precision, on_samples=on_samples)
    return _Product(
        probabilities=probabilities(logits),
        statistics={"statistics": statistics},
        record={
            "curve": fitted.curve,
            "selected_epoch": fitted.selected_epoch,
            "parameters": {
                "total": sum(tensor.numel() for tensor in model.parameters()),
                "trainable": fitted.trainable,
            },
            "timings": {
                "build": built - clock,
                **fitted.seconds,
                "test": perf_counter() - testing,
            },
        },
    )


def _feeds(
    request: Request,
    task: TaskPlan,
    dataset: Dataset,
    run: PlannedRun,
    device: torch.device,
    statistics: str,
) -> tuple[Feed, Feed, Feed]:
    """The three parts of a split as batches."""
    preset, split = request.preset, run.split
    mean, std = STATISTICS[statistics]
    augmented, plain = make_transforms(
        dimension=task.card.dimension,
        input_size=input_size(task.card, task.sample_shape, preset),
        value_range=value_range(dataset.images, preset.input.scaling, split.train),
        mean=mean,
        std=std,
        crop_scale=preset.input.crop_scale,
        augment=preset.input.augment,
    )
    train, validation, test = (
        Feed(
            dataset=dataset,
            indices=indices,
            transform=transform,
            batch_size=preset.fit.batch_size,
            device=device,
            workers=preset.compute.workers,
        )
        for indices, transform in (
            (split.train, augmented),
            (split.val, plain),
            (split.test, plain),
        )
    )
    return train, validation, test


def pretraining_statistics(request: Request, method: Method, dimension: int) -> str:
    """Which channel statistics normalise the inputs: a key of :data:`STATISTICS`.

    ImageNet's for weights whose file name says ``in1k``, RadImageNet's for all others; in 3D
    a preset may name methods that always take RadImageNet's, as the paper's scripts do.
    """
    grey = dimension == 3 and method.name in request.preset.input.radimagenet_3d
    return "imagenet" if "in1k" in request.init.lower() and not grey else "radimagenet"


def _provenance(
    request: Request, task: TaskPlan, run: PlannedRun, device: torch.device, begin: datetime
) -> dict[str, Any]:
    method = next((each for each in request.methods if each.name == run.key.method), None)
    settings = None if method is None else fit_settings(request, method)
    return {
        "hashes": run.hashes | {"card": card_hash(task.card)},
        "settings": settings,
        "split": to_mapping(request.preset.split),
        "max_samples": request.preset.input.max_samples,
        "versions": package_versions(),
        "git": git_state(),
        "hardware": hardware(device),
        "threads": thread_count(request.preset.compute),
        "workers": request.preset.compute.workers,
        "deterministic": {
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
        },
        "started": begin.isoformat(timespec="seconds"),
    }


def _peak_memory(device: torch.device) -> dict[str, int]:
    """Highest resident size of this process so far and, on CUDA, of the run's tensors."""
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = {"process": kibibytes * (1 if sys.platform == "darwin" else 1024)}
    if device.type == "cuda":
        found["cuda"] = torch.cuda.max_memory_allocated(device)
    return found


def _describe(error: Exception) -> dict[str, str]:
    return {
        "class": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)[-3:]),
    }
