"""Fitting a network by gradient descent, in stages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from crossbench.environment.spans import span
from crossbench.protocols.interface import Finding, Outcome, Passes, Protocol, SampleCost
from crossbench.specs import RANDOM
from crossbench.training.stages import Schedule

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from crossbench.data.splits import Split
    from crossbench.protocols.context import Context
    from crossbench.protocols.interface import Rehearsal
    from crossbench.specs import Preset


@dataclass(frozen=True, kw_only=True)
class StagedFit(Schedule, Protocol):
    """A named way to fit a network to a task by gradient descent."""

    def settings(self, preset: Preset) -> dict[str, Any]:
        """Inputs and fit, and low-rank updates where these are trained."""
        found = {"input": preset.input.fingerprint(), "fit": preset.fit.fingerprint()}
        if self.adapts:
            found["lora"] = preset.lora.fingerprint()
        return {"protocol": self.fingerprint(), **found}

    @property
    def _trains_all(self) -> bool:
        return any("all" in stage.trains for stage in self.stages)

    @property
    def _keeps_the_rest(self) -> bool:
        """Whether what comes before ``fit.train_from`` can be left as it is."""
        return self._trains_all or self.adapts

    def passes(self, split: Split, preset: Preset) -> Passes:
        """Training and validation parts once an epoch, the test part once.

        Passes of the last modules alone count as training.
        """
        train, val, test = len(split.train), len(split.val), len(split.test)
        epochs = preset.fit.epochs
        measured = train if self._measures_norm(preset) else 0
        if preset.fit.train_from:
            return Passes(train=epochs * (train + val), evaluate=measured + train + val + test)
        return Passes(train=epochs * train, evaluate=measured + epochs * val + test)

    def _measures_norm(self, preset: Preset) -> bool:
        return self.adapts and preset.lora.batch_norm == "recalibrated"

    def rehearse(self, network: torch.nn.Module, rehearsal: Rehearsal) -> Finding:
        """Feed the smallest batch in every stage; count what learns."""
        from crossbench.nets.roles import roles_of
        from crossbench.training.fit import count_learning, prepare, set_training
        from crossbench.training.tail import cut

        fit, augments = rehearsal.preset.fit, rehearsal.preset.input.augment
        if fit.train_from and not self._keeps_the_rest:
            note = f"fit.train_from (={fit.train_from!r}) leaves what comes before as it is, and"
            return Finding(obstacle=f"{note} {self.name} trains parts of it; leave it out")
        if fit.train_from and augments:
            note = f"fit.train_from (={fit.train_from!r}) computes what does not learn once, and"
            return Finding(obstacle=f"{note} augmentation changes it; --set input.augment=false")
        if fit.train_from:
            tail = cut(network, fit.train_from, lambda whole: rehearsal.feed(whole, 2)).network
            schedule = prepare(tail, self, rehearsal.preset.lora)
            return Finding(learns=count_learning(tail, schedule))
        schedule = prepare(network, self, rehearsal.preset.lora)
        for stage in schedule.stages:
            set_training(network, stage)
            rehearsal.feed(network, rehearsal.batch)
        roles = roles_of(network)
        notes = (
            *self.idle_note(
                rehearsal.method,
                {} if self._trains_all else roles.silent,
                roles.unread if self.adapts else {},
            ),
            *_frozen_norm(network, rehearsal, self.name, schedule),
        )
        return Finding(learns=count_learning(network, schedule), warnings=notes)

    def time(
        self,
        network: torch.nn.Module,
        input_shape: tuple[int, ...],
        preset: Preset,
        device: torch.device,
    ) -> SampleCost:
        """Time one training step a stage, and one prediction."""
        import torch

        from crossbench.nets.lora import merge_lora
        from crossbench.training.fit import prepare
        from crossbench.training.tail import cut
        from crossbench.training.timing import evaluation_seconds, training_seconds

        shape = (preset.fit.batch_size, *input_shape)
        learning, fed = network, shape
        if name := preset.fit.train_from:
            inputs = torch.rand(2, *input_shape).to(device)
            learning, example = cut(network, name, lambda whole: whole(inputs))
            fed = (preset.fit.batch_size, *example.shape[1:])
        schedule = prepare(learning, self, preset.lora)
        train = training_seconds(learning, fed, schedule, preset.fit.epochs, device)
        merge_lora(network)
        return SampleCost(train=train, evaluate=evaluation_seconds(network, shape, device))

    def run(self, context: Context, on_samples: Callable[[int], None]) -> Outcome:
        """Build, fit, test.

        The order of samples and their augmentation depend on task, seed and fold alone, so that
        all methods see the same batches; the weights drawn depend on the method too.
        """
        import numpy as np
        import torch

        from crossbench.nets.cost import multiply_adds
        from crossbench.nets.lora import merge_lora
        from crossbench.training.features import classifier_inputs, constant_note, constant_share
        from crossbench.training.fit import count_learning, fit, prepare, recalibrate
        from crossbench.training.predict import log_probabilities, predict
        from crossbench.training.tail import cut, features_at

        preset, key, device = context.preset, context.key, context.device
        seed = ("weights", key.task, key.seed, key.fold, key.method)
        with span("build"):
            model = context.network(num_classes=context.dataset.num_classes, seed=seed)
        macs = multiply_adds(model, context.input_shape)  # draws nothing, moves nothing
        value_range, transforms = context.transforms()
        train, validation, test = context.loaders(transforms)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        precision = preset.compute.precision
        plain = replace(train, transform=transforms[1])
        learning = model
        with span("train"):
            if self._measures_norm(preset):
                recalibrate(model, plain, precision=precision, on_samples=on_samples)
            if name := preset.fit.train_from:
                first, _ = next(plain.ordered())
                learning = cut(model, name, lambda whole: whole(first)).network
                train, validation = (
                    features_at(model, name, part, precision=precision, on_samples=on_samples)
                    for part in (plain, validation)
                )
        schedule = prepare(learning, self, preset.lora)
        learns = count_learning(learning, schedule)
        fitted = fit(
            learning,
            schedule=schedule,
            settings=preset.fit,
            train=train,
            validation=validation,
            random=context.random("batches", key.task, key.seed, key.fold),
            precision=precision,
            on_samples=on_samples,
        )
        merge_lora(model)  # no bit of what it computes changes
        with span("test"), classifier_inputs(model) as features:
            logits = predict(model, test, precision=precision, on_samples=on_samples)
        constant = constant_share(np.concatenate(features)) if features else 0.0
        return Outcome(
            log_probabilities=log_probabilities(logits),
            provenance={"learns": learns, "constant_features": constant},
            warnings=constant_note(constant, "test"),
            record={
                "curve": fitted.curve,
                "selected_epoch": fitted.selected_epoch,
                "parameters": {
                    "total": sum(tensor.numel() for tensor in model.parameters()),
                    "trainable": fitted.trainable,
                },
                "cost": {"gmacs": macs / 1e9},
            },
            diagnostics=context.diagnose(model, test),
            fitted=context.keep(model.state_dict, value_range),
        )


def _frozen_norm(
    network: torch.nn.Module, rehearsal: Rehearsal, protocol: str, schedule: Schedule
) -> list[str]:
    """Whether BatchNorm is to normalise by statistics that nobody ever measured."""
    from torch.nn.modules.batchnorm import _BatchNorm

    frozen = all(stage.freezes_norm for stage in schedule.stages)
    tracked = any(isinstance(module, _BatchNorm) for module in network.modules())
    measured = rehearsal.preset.lora.batch_norm == "recalibrated"
    if rehearsal.init != RANDOM or not frozen or not tracked or measured:
        return []
    note = (
        f"{protocol} from random weights with BatchNorm frozen: its running statistics are "
        "those of no data (mean 0, variance 1), so signals grow or die with depth; pass --init, or "
        "--set lora.batch_norm=recalibrated"
    )
    return [note]
