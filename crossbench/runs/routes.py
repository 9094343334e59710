"""How a run comes by its test predictions: plainly, by fitting, or by a linear probe."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from crossbench.data.transforms import RandomSource
from crossbench.environment.arithmetic import derive_seed, thread_count
from crossbench.environment.provenance import hardware, package_versions
from crossbench.evaluation.plain import predict_plain
from crossbench.nets.cost import multiply_adds
from crossbench.nets.lora import merge_lora
from crossbench.protocols import LinearProbe, StagedFit
from crossbench.registry.methods import load_observers
from crossbench.runs.checkpoint import FittedNetwork, describe_fitted, with_head
from crossbench.runs.context import STATISTICS, init_of
from crossbench.runs.plan import feature_source
from crossbench.training.diagnostics import diagnose
from crossbench.training.features import (
    Features,
    batch_size,
    classifier_inputs,
    constant_note,
    constant_share,
    extract,
)
from crossbench.training.fit import count_learning, fit, prepare
from crossbench.training.linear import Part, fit_linear
from crossbench.training.predict import log_probabilities, predict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.evaluation.probabilities import LogProbabilities
    from crossbench.results.records.diagnostics import Diagnostics
    from crossbench.runs.context import Site
    from crossbench.runs.plan import PlannedRun
    from crossbench.training.linear import LinearFit
    from crossbench.training.loader import Feed


@dataclass(frozen=True, kw_only=True)
class Product:
    """What a run yields besides its identity.

    Attributes:
        log_probabilities: (n_test, K) float64 natural logarithms.
        record: Fields of the record.
        provenance: What its provenance says further.
        warnings: What a reader of its result should know further.
        diagnostics: What the network's layers tell of themselves, where that was asked for.
        fitted: The fitted network, where it is to be kept.
    """

    log_probabilities: LogProbabilities
    record: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
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
        value_range: Stored values that became 0 and 1; None where each sample has its own.
    """

    indices: NDArray[np.int64]
    features: Features
    parameters: int
    macs: int
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
        log_probabilities=predict_plain(
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
    model = site.network(run, num_classes=site.dataset.num_classes, seed=seed)
    built = perf_counter()
    macs = multiply_adds(model, (3, *site.shape))  # draws nothing, moves nothing
    value_range, transforms = site.transforms(run)
    train, validation, test = site.feeds(run, transforms)
    if site.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(site.device)
    protocol = prepare(model, protocol, preset.lora)
    learns = count_learning(model, protocol)
    fitted = fit(
        model,
        protocol=protocol,
        settings=preset.fit,
        train=train,
        validation=validation,
        random=RandomSource(derive_seed("batches", key.task, key.seed, key.fold), site.device),
        precision=preset.compute.precision,
        on_samples=on_samples,
    )
    merge_lora(model)  # no bit of what it computes changes
    testing = perf_counter()
    with classifier_inputs(model) as features:
        logits = predict(model, test, precision=preset.compute.precision, on_samples=on_samples)
    tested = perf_counter()
    constant = constant_share(np.concatenate(features)) if features else 0.0
    return Product(
        log_probabilities=log_probabilities(logits),
        provenance={"learns": learns, "constant_features": constant},
        warnings=constant_note(constant, "test"),
        record={
            "curve": fitted.curve,
            "selected_epoch": fitted.selected_epoch,
            "parameters": {"total": _count_parameters(model), "trainable": fitted.trainable},
            "cost": {"gmacs": macs / 1e9},
            "timings": {"build": built - clock, **fitted.seconds, "test": tested - testing},
        },
        diagnostics=_diagnose(site, run, model, test) if site.request.diagnostics else None,
        fitted=_kept(site, run, model.state_dict(), value_range),
    )


def _kept(
    site: Site,
    run: PlannedRun,
    tensors: Mapping[str, torch.Tensor],
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
        method=site.method(run),
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
    constant = constant_share(train.features)
    predicted = fitted.log_probabilities(test.features)
    testing = perf_counter() - trained
    testing += probed.features.seconds * len(test.labels) / len(probed.indices)
    return Product(
        log_probabilities=predicted,
        provenance={"learns": {"head": fitted.trainable}, "constant_features": constant},
        warnings=constant_note(constant, "training"),
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
    return _kept(site, run, tensors, probed.value_range)


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
    source = feature_source(site.request, run)
    sharing = [each for each in site.task.runs if feature_source(site.request, each) == source]
    parts = [(each.split.train, each.split.val, each.split.test) for each in sharing]
    indices = np.unique(np.concatenate([index for part in parts for index in part]))
    limits, (_, transform) = site.transforms(run)
    features = extract(
        model,
        site.feed(indices, transform, batch_size(site.shape)),
        depends_on={
            "hashes": {name: run.hashes[name] for name in ("method", "task", "data", "config")},
            "samples": indices.tolist(),
            "range": limits,
            "statistics": STATISTICS[init_of(run).statistics],
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
        macs=multiply_adds(model, (3, *site.shape)),
        value_range=limits,
    )


def _frozen(site: Site, run: PlannedRun) -> torch.nn.Module:
    """A network without a classifier; its weights depend on task, seed and method alone."""
    key = run.key
    seed = derive_seed("weights", key.task, key.seed, key.method)
    return site.network(run, num_classes=0, seed=seed)


def _count_parameters(model: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in model.parameters())
