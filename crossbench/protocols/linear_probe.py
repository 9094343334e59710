"""A linear classifier over the features of a frozen network, which several runs share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from crossbench.environment.spans import span
from crossbench.protocols.interface import Finding, Outcome, Passes, Protocol, SampleCost, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from crossbench.data.dataset import Dataset
    from crossbench.data.splits import Split
    from crossbench.protocols.context import Context
    from crossbench.protocols.interface import Rehearsal
    from crossbench.specs import Preset
    from crossbench.training.features import Features
    from crossbench.training.linear import Part

# What training batches alone have: no batch is trained on.
_OF_TRAINING = ("augment", "crop_scale", "jitter_order", "forked_workers")


@dataclass(frozen=True, kw_only=True)
class FrozenFeatures:
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
        import numpy as np

        from crossbench.training.linear import Part

        rows = np.searchsorted(self.indices, indices)
        return Part(features=self.features.values[rows], labels=dataset.labels[indices])


@dataclass(frozen=True, kw_only=True)
class LinearProbe(Protocol):
    """A linear classifier over the features of a network that stays as it is.

    Attributes:
        inverse_penalties: Values of scikit-learn's ``C``, strongest penalty first; they are
            tried until the loss of the validation part rises.
    """

    inverse_penalties: tuple[float, ...]
    shares_features: ClassVar[bool] = True

    def settings(self, preset: Preset) -> dict[str, Any]:
        """No epochs, no augmentation."""
        inputs = preset.input.fingerprint()
        kept = {key: value for key, value in inputs.items() if key not in _OF_TRAINING}
        return {"protocol": self.fingerprint(), "input": kept}

    def passes(self, split: Split, preset: Preset) -> Passes:  # noqa: ARG002
        """Every sample once."""
        return Passes(evaluate=len(split.train) + len(split.val) + len(split.test))

    def rehearse(self, network: torch.nn.Module, rehearsal: Rehearsal) -> Finding:
        """Feed one sample; parameters that learn with the head elsewhere do not here."""
        from crossbench.nets.roles import roles_of

        if rehearsal.keeps:
            _place_of_head(network)
        network.eval()
        rehearsal.feed(network, 1)
        roles = roles_of(network)
        if not roles.learns:
            return Finding(warnings=self.idle_note(rehearsal.method, roles.silent))
        sizes: dict[str, int] = {}
        for name, own in roles.learns.items():
            sizes[own] = sizes.get(own, 0) + network.get_parameter(name).numel()
        note = (
            f"{rehearsal.method}: {listed(sizes)} learn with the head elsewhere; under "
            f"{self.name}, which trains nothing within the network, they stay as they are drawn "
            "or loaded"
        )
        return Finding(warnings=(note,))

    def time(
        self,
        network: torch.nn.Module,
        input_shape: tuple[int, ...],
        preset: Preset,  # noqa: ARG002
        device: torch.device,
    ) -> SampleCost:
        """Time one prediction."""
        from crossbench.training.features import batch_size
        from crossbench.training.timing import evaluation_seconds

        size = batch_size(input_shape[1:])
        return SampleCost(evaluate=evaluation_seconds(network, (size, *input_shape), device))

    def run(self, context: Context, on_samples: Callable[[int], None]) -> Outcome:
        """Extract features, or take those of a run that shares them, and fit the classifier."""
        from crossbench.training.features import constant_note, constant_share
        from crossbench.training.linear import fit_linear

        with span("extract"):
            frozen = context.shared(lambda: _extract(context, on_samples))
        split = context.split
        train, validation, test = (
            frozen.part(context.dataset, indices)
            for indices in (split.train, split.val, split.test)
        )
        with span("train"):
            fitted = fit_linear(
                self.inverse_penalties,
                train=train,
                validation=validation,
                num_classes=context.dataset.num_classes,
            )
        constant = constant_share(train.features)
        with span("test"):
            predicted = fitted.log_probabilities(test.features)
        share = len(test.labels) / len(frozen.indices)
        return Outcome(
            log_probabilities=predicted,
            provenance={"learns": {"head": fitted.trainable}, "constant_features": constant},
            warnings=constant_note(constant, "training"),
            record={
                "curve": fitted.path,
                "selected": {"C": fitted.inverse_penalty},
                "parameters": {
                    "total": frozen.parameters + fitted.trainable,
                    "trainable": fitted.trainable,
                },
                "cost": {"gmacs": (frozen.macs + fitted.weights) / 1e9},
            },
            seconds={"test": frozen.features.seconds * share},
            fitted=context.keep(
                lambda: with_head(_frozen(context), *fitted.head()), frozen.value_range
            ),
        )


def _extract(context: Context, on_samples: Callable[[int], None]) -> FrozenFeatures:
    """Put the samples of all runs that share a frozen network through it."""
    from crossbench.nets.cost import multiply_adds
    from crossbench.training.features import batch_size, extract

    model = _frozen(context)
    indices = context.sharing_samples()
    value_range, (_, transform) = context.transforms()
    features = extract(
        model,
        context.batches(indices, transform, batch_size(context.input_shape[1:])),
        depends_on=context.features_depend_on(value_range) | {"samples": indices.tolist()},
        folder=context.cache_dir / "features",
        precision=context.preset.compute.precision,
        on_samples=on_samples,
    )
    return FrozenFeatures(
        indices=indices,
        features=features,
        parameters=sum(tensor.numel() for tensor in model.parameters()),
        macs=multiply_adds(model, context.input_shape),
        value_range=value_range,
    )


def _frozen(context: Context) -> torch.nn.Module:
    """A network without a classifier; its weights depend on task, seed and method alone."""
    key = context.key
    return context.network(num_classes=0, seed=("weights", key.task, key.seed, key.method))


def with_head(
    network: torch.nn.Module, weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> dict[str, torch.Tensor]:
    """The tensors of a network without a classifier, and of a linear one on top of it.

    Args:
        network: A timm network built with ``num_classes=0``.
        weight: (K, F).
        bias: (K,).

    Raises:
        WeightsError: If the network does not say where its classifier belongs.
    """
    import torch

    place = _place_of_head(network)
    head = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
    return network.state_dict() | {f"{place}.{part}": tensor for part, tensor in head.items()}


def _place_of_head(network: torch.nn.Module) -> str:
    """The name of a network's classifier among its modules."""
    from crossbench.errors import WeightsError

    head = network.get_classifier()  # type: ignore[operator]
    for name, module in network.named_modules():
        if module is head:
            return str(name)
    msg = f"{type(network).__name__} does not name its classifier, so it cannot be kept"
    raise WeightsError(f"{msg}; leave out --save-weights or choose another --backbone")
