"""How a run comes by its test probabilities: plainly, by fitting, or by a linear probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from crossbench import nets
from crossbench.data.scaling import value_range
from crossbench.data.transforms import RandomSource, make_transforms
from crossbench.evaluation.plain import predict_plain
from crossbench.fitted import FittedNetwork, describe_fitted, with_head
from crossbench.nets.cost import multiply_adds
from crossbench.nets.lora import merge_lora
from crossbench.plan import feature_source, input_shape, input_size
from crossbench.plugins import load_observers
from crossbench.provenance import hardware, package_versions
from crossbench.training.diagnostics import diagnose
from crossbench.training.environment import derive_seed, thread_count
from crossbench.training.features import Features, batch_size, extract
from crossbench.training.feed import Feed
from crossbench.training.fit import fit, prepare
from crossbench.training.linear import Part, fit_linear
from crossbench.training.predict import predict, probabilities
from crossbench.training.protocols import LinearProbe, StagedFit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.transforms import BatchTransform
    from crossbench.inits import Init
    from crossbench.methods import Method
    from crossbench.plan import PlannedRun, Request, TaskPlan
    from crossbench.results.diagnostics import Diagnostics
    from crossbench.training.linear import LinearFit

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
        dataset: Its samples.
        device: Where networks run.
        probed: Frozen networks by what distinguishes their features, filled by linear probes.
    """

    request: Request
    task: TaskPlan
    dataset: Dataset
    device: torch.device
    probed: dict[tuple[str, int, int | None], Probed] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Product:
    """What a run yields besides its identity.

    Attributes:
        probabilities: (n_test, K) float64.
        record: Fields of the record.
        provenance: What its provenance says further.
        diagnostics: What the network's layers tell of themselves, where that was asked for.
        fitted: The fitted network, where it is to be kept.
    """

    probabilities: NDArray[np.float64]
    record: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    diagnostics: Diagnostics | None = None
    fitted: FittedNetwork | None = None


@dataclass(frozen=True, kw_only=True)
class Probed:
    """A frozen network as far as its linear probes need it.

    Attributes:
        indices: (N,) int64, ascending: the samples whose features these are.
        features: Their features, in this order.
        parameters: Number of the network's parameters.
        macs: Multiply-adds of one sample.
        statistics: Key of :data:`STATISTICS` that normalised the inputs.
        value_range: Stored values that became 0 and 1; None where each sample has its own.
    """

    indices: NDArray[np.int64]
    features: Features
    parameters: int
    macs: int
    statistics: str
    value_range: tuple[float, float] | None

    def part(self, dataset: Dataset, indices: NDArray[np.int64]) -> Part:
        """Some of the samples, as the linear classifier takes them."""
        rows = np.searchsorted(self.indices, indices)
        return Part(features=self.features.values[rows], labels=dataset.labels[indices])


def produce(site: Site, run: PlannedRun, on_samples: Callable[[int], None]) -> Product:
    """Do one run, whatever kind it is.

    Args:
        site: What the runs on its task share.
        run: The run.
        on_samples: Told how many samples went through a network, for progress.
    """
    protocol = site.request.protocol
    if run.key.plain:
        return _predict_plain(site.dataset, run)
    if isinstance(protocol, LinearProbe):
        return _probe(site, run, protocol, on_samples)
    return _fit(site, run, protocol, on_samples)


def _predict_plain(dataset: Dataset, run: PlannedRun) -> Product:
    """A plain baseline: no network, no protocol."""
    return Product(
        probabilities=predict_plain(
            run.key.method,
            images=dataset.images,
            labels=dataset.labels,
            covariate=dataset.covariate,
            num_classes=dataset.num_classes,
            train=np.concatenate([run.split.train, run.split.val]),
            test=run.split.test,
        )
    )


# ------------------------------------------------------------------------ fitted networks


def _fit(
    site: Site, run: PlannedRun, protocol: StagedFit, on_samples: Callable[[int], None]
) -> Product:
    """A network: build, fit, test.

    The order of samples and their augmentation depend on task, seed and fold alone, so that
    all methods see the same batches; the weights drawn depend on the method too.
    """
    preset, key = site.request.preset, run.key
    clock = perf_counter()
    seed = derive_seed("weights", key.task, key.seed, key.fold, key.method)
    model = _network(site, run, num_classes=site.dataset.num_classes, seed=seed)
    built = perf_counter()
    macs = multiply_adds(model, (3, *_shape(site)))  # draws nothing, moves nothing
    statistics = _statistics(site, run)
    value_range, transforms = _transforms(site, run, statistics)
    train, validation, test = _feeds(site, run, transforms)
    if site.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(site.device)
    fitted = fit(
        model,
        protocol=prepare(model, protocol, preset.lora),
        settings=preset.fit,
        train=train,
        validation=validation,
        random=RandomSource(derive_seed("batches", key.task, key.seed, key.fold), site.device),
        precision=preset.compute.precision,
        on_samples=on_samples,
    )
    merge_lora(model)  # no bit of what it computes changes
    testing = perf_counter()
    logits = predict(model, test, precision=preset.compute.precision, on_samples=on_samples)
    tested = perf_counter()
    return Product(
        probabilities=probabilities(logits),
        provenance={"statistics": statistics},
        record={
            "curve": fitted.curve,
            "selected_epoch": fitted.selected_epoch,
            "parameters": {"total": _count_parameters(model), "trainable": fitted.trainable},
            "cost": {"gmacs": macs / 1e9},
            "timings": {"build": built - clock, **fitted.seconds, "test": tested - testing},
        },
        diagnostics=_diagnose(site, run, model, test) if site.request.diagnostics else None,
        fitted=_kept(site, run, model.state_dict(), statistics, value_range),
    )


def _kept(
    site: Site,
    run: PlannedRun,
    tensors: Mapping[str, torch.Tensor],
    statistics: str,
    value_range: tuple[float, float] | None,
) -> FittedNetwork | None:
    """The fitted network of a run, where such are to be kept."""
    if not site.request.save_weights:
        return None
    about = describe_fitted(
        site.request,
        site.task,
        site.dataset,
        run,
        method=_method(site, run),
        statistics=statistics,
        value_range=value_range,
    )
    return FittedNetwork(tensors=tensors, about=about)


def _diagnose(
    site: Site, run: PlannedRun, model: torch.nn.Module, test: Feed
) -> Diagnostics | None:
    """What the layers of the fitted network tell of themselves, if any of them do."""
    return diagnose(
        model,
        test,
        load_observers(),
        identity=run.identity,
        precision=site.request.preset.compute.precision,
    )


# --------------------------------------------------------------------------- linear probes


def _probe(
    site: Site, run: PlannedRun, protocol: LinearProbe, on_samples: Callable[[int], None]
) -> Product:
    """A linear classifier over the features of a frozen network, which several runs share."""
    clock = perf_counter()
    probed = _probed(site, run, on_samples)
    extracted = perf_counter()
    train, validation, test = (
        probed.part(site.dataset, indices)
        for indices in (run.split.train, run.split.val, run.split.test)
    )
    fitted = fit_linear(
        protocol.inverse_penalties,
        train=train,
        validation=validation,
        num_classes=site.dataset.num_classes,
    )
    trained = perf_counter()
    predicted = fitted.probabilities(test.features)
    testing = perf_counter() - trained
    testing += probed.features.seconds * len(test.labels) / len(probed.indices)
    return Product(
        probabilities=predicted,
        provenance={"statistics": probed.statistics},
        record={
            "curve": fitted.path,
            "selected": {"C": fitted.inverse_penalty},
            "parameters": {
                "total": probed.parameters + fitted.trainable,
                "trainable": fitted.trainable,
            },
            "cost": {"gmacs": (probed.macs + fitted.weights) / 1e9},
            "timings": {
                "extract": extracted - clock,
                "train": trained - extracted,
                "test": testing,
            },
        },
        fitted=_kept_probe(site, run, probed, fitted) if site.request.save_weights else None,
    )


def _kept_probe(
    site: Site, run: PlannedRun, probed: Probed, fitted: LinearFit
) -> FittedNetwork | None:
    """The frozen network, made again, with the linear classifier as its own."""
    tensors = with_head(_frozen(site, run), *fitted.head())
    return _kept(site, run, tensors, probed.statistics, probed.value_range)


def _probed(site: Site, run: PlannedRun, on_samples: Callable[[int], None]) -> Probed:
    """The frozen network of a run and its features, extracted by the first run that asks."""
    source = feature_source(site.request, run)
    if source not in site.probed:
        for other in [each for each in site.probed if each[1] != run.key.seed]:
            del site.probed[other]  # seeds come one after the other
        site.probed[source] = _extract(site, run, on_samples)
    return site.probed[source]


def _extract(site: Site, run: PlannedRun, on_samples: Callable[[int], None]) -> Probed:
    """Put the task's samples through the frozen network of a run."""
    preset, model = site.request.preset, _frozen(site, run)
    statistics, shape = _statistics(site, run), _shape(site)
    source = feature_source(site.request, run)
    sharing = [each for each in site.task.runs if feature_source(site.request, each) == source]
    parts = [(each.split.train, each.split.val, each.split.test) for each in sharing]
    indices = np.unique(np.concatenate([index for part in parts for index in part]))
    limits, (_, transform) = _transforms(site, run, statistics)
    features = extract(
        model,
        _feed(site, indices, transform, batch_size(shape)),
        depends_on={
            "hashes": {name: run.hashes[name] for name in ("method", "task", "data", "config")},
            "samples": indices.tolist(),
            "range": limits,
            "statistics": STATISTICS[statistics],
            "versions": package_versions(),
            "hardware": hardware(site.device),
            "threads": thread_count(preset.compute),
        },
        folder=site.request.cache_dir / "features",
        precision=preset.compute.precision,
        on_samples=on_samples,
    )
    return Probed(
        indices=indices,
        features=features,
        parameters=_count_parameters(model),
        macs=multiply_adds(model, (3, *shape)),
        statistics=statistics,
        value_range=limits,
    )


def _frozen(site: Site, run: PlannedRun) -> torch.nn.Module:
    """A network without a classifier; its weights depend on task, seed and method alone."""
    key = run.key
    seed = derive_seed("weights", key.task, key.seed, key.method)
    return _network(site, run, num_classes=0, seed=seed)


# ------------------------------------------------------------------- networks and their inputs


def _network(site: Site, run: PlannedRun, *, num_classes: int, seed: int) -> torch.nn.Module:
    """The run's network on its device, drawn from a seed of its own."""
    request = site.request
    torch.manual_seed(seed)
    return nets.build_model(
        _method(site, run),
        dims=site.task.card.dimension,
        num_classes=num_classes,
        init=_init(run).source,
        backbone=request.backbone,
        drop_keys=request.preset.drop_keys.get(run.key.method, ()),
    ).to(site.device)


def _method(site: Site, run: PlannedRun) -> Method:
    return next(each for each in site.request.methods if each.name == run.key.method)


def _shape(site: Site) -> tuple[int, ...]:
    return input_shape(site.task.card, site.task.sample_shape, site.request.preset)


def _count_parameters(model: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def _feeds(
    site: Site, run: PlannedRun, transforms: tuple[BatchTransform, BatchTransform]
) -> tuple[Feed, Feed, Feed]:
    """The three parts of a split as batches."""
    augmented, plain = transforms
    size, split = site.request.preset.fit.batch_size, run.split
    return (
        _feed(site, split.train, augmented, size),
        _feed(site, split.val, plain, size),
        _feed(site, split.test, plain, size),
    )


def _feed(
    site: Site, indices: NDArray[np.int64], transform: BatchTransform, batch_size: int
) -> Feed:
    return Feed(
        dataset=site.dataset,
        indices=indices,
        transform=transform,
        batch_size=batch_size,
        device=site.device,
        workers=site.request.preset.compute.workers,
    )


def _transforms(
    site: Site, run: PlannedRun, statistics: str
) -> tuple[tuple[float, float] | None, tuple[BatchTransform, BatchTransform]]:
    """The stored value range that becomes [0, 1], and the transforms of training and testing."""
    card, inputs = site.task.card, site.request.preset.input
    limits = value_range(site.dataset.images, inputs.scaling, run.split.train)
    mean, std = STATISTICS[statistics]
    return limits, make_transforms(
        dimension=card.dimension,
        input_size=input_size(card, site.task.sample_shape, site.request.preset),
        value_range=limits,
        mean=mean,
        std=std,
        crop_scale=inputs.crop_scale,
        augment=inputs.augment,
    )


def _statistics(site: Site, run: PlannedRun) -> str:
    """Which channel statistics normalise the inputs: a key of :data:`STATISTICS`.

    Those that the weights say they were made with; else ImageNet's for weights whose name has
    ``in1k`` in it, RadImageNet's for all others. In 3D a preset may name methods that always
    take RadImageNet's, as the paper's scripts do.
    """
    preset, init = site.request.preset, _init(run)
    if site.task.card.dimension == 3 and run.key.method in preset.input.radimagenet_3d:
        return "radimagenet"
    if init.about is not None and init.about.statistics:
        return init.about.statistics
    return "imagenet" if "in1k" in site.request.init.lower() else "radimagenet"


def _init(run: PlannedRun) -> Init:
    """The weights of a run that has a network."""
    if run.init is None:
        raise ValueError(f"{run.key} is a plain baseline and starts from no weights")
    return run.init
