"""A frozen encoder's embeddings, computed once and kept, fused with parts that learn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from crossbench.environment.spans import span
from crossbench.protocols.interface import Finding, Outcome, Passes, Protocol, SampleCost

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from crossbench.data.splits import Split
    from crossbench.protocols.context import Context
    from crossbench.protocols.interface import Rehearsal
    from crossbench.specs import Preset
    from crossbench.training.loader import BatchLoader

_ON_TEST = (
    "the epoch was chosen on the test part (fusion.select_on = 'test'), as by the code of a paper "
    "whose quirk this is: the figure is the best of all epochs and estimates nothing"
)


class _Embeddings(NamedTuple):
    """What runs that share a frozen encoder share.

    Attributes:
        indices: (N,) int64, ascending: the samples that were embedded.
        windows: (N, W, F) float32.
        state: The encoder's tensors.
        seconds: Time that the embeddings took when they were computed.
        macs: Multiply-adds of a sample through the whole network.
    """

    indices: NDArray[np.int64]
    windows: torch.Tensor
    state: Mapping[str, torch.Tensor]
    seconds: float
    macs: int


@dataclass(frozen=True, kw_only=True)
class FrozenFusion(Protocol):
    """One encoder stays as it is; whatever else a network has learns with the head.

    A network says by :class:`crossbench.methods.FusedNetwork` which encoder that is; all of a
    network that does not say so learns.
    """

    shares_features: ClassVar[bool] = True
    compares_weights: ClassVar[bool] = False

    def settings(self, preset: Preset) -> dict[str, Any]:
        """No augmentation; of the fit what bears on it."""
        fit = preset.fit.fingerprint()
        kept = ("epochs", "batch_size", "lr", "weight_decay")
        return {
            "protocol": self.fingerprint(),
            "input": preset.input.fed(),
            "fit": {key: fit[key] for key in kept},
            "fusion": preset.fusion.fingerprint(),
        }

    def passes(self, split: Split, preset: Preset) -> Passes:
        """Every sample once through the encoder; then each epoch's without it."""
        train, val, test = len(split.train), len(split.val), len(split.test)
        epochs = preset.fit.epochs
        chosen = test if preset.fusion.select_on == "test" else val
        return Passes(train=epochs * train, evaluate=train + val + test + epochs * chosen + test)

    def rehearse(self, network: torch.nn.Module, rehearsal: Rehearsal) -> Finding:
        """Feed the smallest batch in training, and one sample; count what learns."""
        from crossbench.training.fusion import set_training

        set_training(network)
        rehearsal.feed(network, rehearsal.batch)
        network.eval()
        rehearsal.feed(network, 1)
        on_test = (_ON_TEST,) if rehearsal.preset.fusion.select_on == "test" else ()
        remarks = tuple(f"{rehearsal.method}: {each}" for each in getattr(network, "remarks", ()))
        return Finding(learns=_counts(network), warnings=(*on_test, *remarks))

    def time(
        self,
        network: torch.nn.Module,
        input_shape: tuple[int, ...],
        preset: Preset,
        device: torch.device,
    ) -> SampleCost:
        """Time one training step over embeddings that are there, and one whole prediction."""
        import torch

        from crossbench.training.features import batch_size
        from crossbench.training.fusion import answer, embed, open_learning, set_training
        from crossbench.training.timing import evaluation_seconds, seconds_of

        inputs = torch.rand(preset.fit.batch_size, *input_shape).to(device)
        windows = embed(network, inputs)
        embedded = None if windows is None else windows.mean(1)
        open_learning(network)
        set_training(network)

        def step() -> None:
            answer(network, inputs, embedded).sum().backward()  # type: ignore[no-untyped-call]

        train = seconds_of(step, device) / len(inputs)
        size = batch_size(input_shape[1:])
        return SampleCost(
            train=train, evaluate=evaluation_seconds(network, (size, *input_shape), device)
        )

    def run(self, context: Context, on_samples: Callable[[int], None]) -> Outcome:
        """Take the embeddings, or make them, fit the rest, test.

        The weights of the frozen encoder depend on task, seed and method alone, where they are
        drawn; those of the rest, and the order of samples, on the fold too.
        """
        from crossbench.nets.cost import multiply_adds
        from crossbench.training.fusion import (
            Embedded,
            fit_fusion,
            learning,
            measure,
            predict_fusion,
        )
        from crossbench.training.predict import log_probabilities

        preset, key = context.preset, context.key
        classes = context.dataset.num_classes
        with span("build"):
            model = context.network(
                num_classes=classes, seed=("weights", key.task, key.seed, key.fold, key.method)
            )
        value_range, transforms = context.transforms()
        kept = None
        if hasattr(model, "frozen"):
            with span("extract"):
                kept = context.shared(lambda: _embed(context, classes, on_samples))
            model.frozen.load_state_dict(kept.state)  # type: ignore[union-attr]
        train, validation, test = (
            Embedded(loader, _windows(kept, loader)) for loader in context.loaders(transforms)
        )
        if train.windows is not None and preset.fusion.standardise:
            measure(model, train.windows)
        random = context.random("batches", key.task, key.seed, key.fold)
        precision = preset.compute.precision
        fitted = fit_fusion(
            model,
            fit=preset.fit,
            fusion=preset.fusion,
            train=train,
            selection=test if preset.fusion.select_on == "test" else validation,
            random=random,
            precision=precision,
            on_samples=on_samples,
        )
        with span("test"):
            logits = predict_fusion(
                model, test, preset.fusion, random, precision=precision, on_samples=on_samples
            )
        macs = multiply_adds(model, context.input_shape) if kept is None else kept.macs
        share = 0.0 if kept is None else len(test.loader) / len(kept.indices)
        return Outcome(
            log_probabilities=log_probabilities(logits),
            provenance={"learns": _counts(model)},
            record={
                "curve": fitted.curve,
                "selected_epoch": fitted.selected_epoch,
                "parameters": {
                    "total": sum(tensor.numel() for tensor in model.parameters()),
                    "trainable": sum(tensor.numel() for tensor in learning(model).values()),
                },
                "cost": {"gmacs": macs / 1e9},
            },
            seconds={} if kept is None else {"test": kept.seconds * share},
            diagnostics=context.diagnose(model, test.loader),
            fitted=context.keep(model.state_dict, value_range),
        )


def _embed(context: Context, num_classes: int, on_samples: Callable[[int], None]) -> _Embeddings:
    """Put the samples of all runs that share the encoder through it, or read what is kept."""
    import torch

    from crossbench.nets.cost import multiply_adds
    from crossbench.training.features import batch_size, extract

    key = context.key
    network = context.network(
        num_classes=num_classes, seed=("weights", key.task, key.seed, key.method)
    )
    encoder: torch.nn.Module = network.frozen  # type: ignore[assignment]
    indices = context.sharing_samples()
    value_range, (_, transform) = context.transforms()
    loader = context.batches(indices, transform, batch_size(context.input_shape[1:]))
    depends = context.features_depend_on(value_range)
    # What is fitted on top of embeddings does not decide them.
    hashes = {name: part for name, part in depends["hashes"].items() if name != "config"}
    preset = context.preset
    same = {**preset.compute.fingerprint(), **preset.network.fingerprint()}
    fed = {"input": preset.input.fed(), **same}
    features = extract(
        encoder,
        loader,
        depends_on={**depends, "hashes": hashes, **fed, "samples": indices.tolist()},
        folder=context.cache_dir / "features",
        precision=context.preset.compute.precision,
        on_samples=on_samples,
    )
    return _Embeddings(
        indices=indices,
        windows=torch.from_numpy(features.values).to(context.device),
        state=encoder.state_dict(),
        seconds=features.seconds,
        macs=multiply_adds(network, context.input_shape),
    )


def _windows(kept: _Embeddings | None, loader: BatchLoader) -> torch.Tensor | None:
    """The embeddings of a part's samples, in its order."""
    import numpy as np
    import torch

    if kept is None:
        return None
    rows = torch.from_numpy(np.searchsorted(kept.indices, loader.indices))
    return kept.windows[rows.to(kept.windows.device)]


def _counts(network: torch.nn.Module) -> dict[str, int]:
    """What learns, by the modules that the network consists of."""
    from crossbench.training.fusion import learning

    counts: dict[str, int] = {}
    for name, tensor in learning(network).items():
        part = name.partition(".")[0]
        counts[part] = counts.get(part, 0) + tensor.numel()
    return counts
