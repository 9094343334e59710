"""Stages of a protocol in turn: train, validate, keep the weights of the best epoch."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import parametrize
from torch.optim.swa_utils import update_bn

from crossbench.environment.arithmetic import autocast
from crossbench.environment.spans import span
from crossbench.errors import CrossbenchError
from crossbench.nets.lora import add_lora, lora_parameters
from crossbench.nets.roles import roles_of
from crossbench.training.convolutions import QuickConvolutions
from crossbench.training.predict import predict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from crossbench.data.transforms import RandomSource
    from crossbench.specs import FitSettings, LoraSettings
    from crossbench.training.loader import BatchLoader
    from crossbench.training.stages import Part, Schedule, Stage


class DivergedError(CrossbenchError):
    """A training loss that is NaN or infinite."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Result of a fit, besides the model, which holds the selected weights.

    Attributes:
        curve: One row an epoch; a validation loss that is not finite is None.
        selected_epoch: Epoch (from 1) of the lowest validation loss; the first of equals.
        trainable: Parameters that learnt in the last stage.
    """

    curve: tuple[dict[str, Any], ...]
    selected_epoch: int
    trainable: int


def fit(
    model: nn.Module,
    *,
    schedule: Schedule,
    settings: FitSettings,
    train: BatchLoader,
    validation: BatchLoader,
    random: RandomSource,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> Fit:
    """Fit ``model`` in place and leave it with the weights of the lowest validation loss.

    Args:
        model: A network with timm's ``get_classifier``, which :func:`prepare` has seen.
        schedule: Which parameters learn when.
        settings: Epochs, batch size, learning rate.
        train: The training part.
        validation: The part that selects the epoch.
        random: Draws the order and the augmentation.
        precision: ``float32`` or ``bfloat16``.
        on_samples: Told how many samples went through, for progress.

    Raises:
        DivergedError: If a training loss is NaN or infinite.
    """
    curve: list[dict[str, Any]] = []
    best = Best()
    for epoch, stage, optimiser in _epochs(model, schedule, settings):
        with span("train"):
            set_training(model, stage)
            train_loss = _train_epoch(model, train, optimiser, random, precision, on_samples)
        with span("validate"):
            val_loss, val_accuracy = _validate(model, validation, precision, on_samples)
        best.offer(model, epoch, val_loss)
        row = {"epoch": epoch, "stage": stage.name, "lr": optimiser.param_groups[0]["lr"]}
        finite = val_loss if math.isfinite(val_loss) else None
        losses = {"train_loss": train_loss, "val_loss": finite, "val_accuracy": val_accuracy}
        curve.append(row | losses)
    model.load_state_dict(best.state)
    return Fit(
        curve=tuple(curve),
        selected_epoch=best.epoch,
        trainable=sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad),
    )


class Best:
    """The weights of the epoch that scored lowest so far, such as by loss; the first of equals."""

    def __init__(self) -> None:
        self.epoch, self.state, self._loss = 0, dict[str, torch.Tensor](), math.inf

    def offer(self, model: nn.Module, epoch: int, loss: float) -> None:
        """Keep a network's weights if their score is lower, or none are kept so far."""
        loss = loss if math.isfinite(loss) else math.inf
        if loss < self._loss or not self.state:
            self.epoch, self._loss = epoch, loss
            self.state = {key: tensor.clone() for key, tensor in model.state_dict().items()}


def _epochs(
    model: nn.Module, schedule: Schedule, settings: FitSettings
) -> Iterator[tuple[int, Stage, torch.optim.Optimizer]]:
    """Epochs (from 1) with stage and optimiser, at the learning rate of the epoch."""
    stage: Stage | None = None
    lr = settings.lr
    for epoch in range(1, settings.epochs + 1):
        current = schedule.stage_at(epoch, settings.epochs)
        if current is not stage or current.scheduled:
            lr = scheduled_lr(settings, epoch)
        if current is not stage:
            stage = current
            optimiser = _optimiser(stage, start_stage(stage, model), settings)
        for group in optimiser.param_groups:
            group["lr"] = lr
        yield epoch, stage, optimiser


def scheduled_lr(settings: FitSettings, epoch: int) -> float:
    """Learning rate of an epoch (from 1): one drop, ``int(milestone * epochs)`` epochs in."""
    dropped = epoch > int(settings.milestone * settings.epochs)
    return settings.lr * settings.gamma if dropped else settings.lr


def prepare(model: nn.Module, schedule: Schedule, lora: LoraSettings) -> Schedule:
    """Add the low-rank updates that a protocol trains, where it trains any.

    Args:
        model: The network; a protocol without low-rank updates leaves it as it is.
        schedule: How it is to be fitted.
        lora: What the updates are.

    Returns:
        The stages to play. Afterwards :func:`crossbench.nets.lora.merge_lora` makes the network
        what it was, with other weights.
    """
    if not schedule.adapts:
        return schedule
    add_lora(model, rank=lora.rank, alpha=lora.alpha, target=lora.target)
    return schedule.under(lora)


def recalibrate(
    model: nn.Module,
    loader: BatchLoader,
    *,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> None:
    """Measure the running statistics of BatchNorm anew: the mean over a loader's batches.

    Nothing learns. Statistics that were measured on data of another contrast, on which frozen
    layers would normalise by what they do not see, are forgotten (Li et al., "Revisiting Batch
    Normalization For Practical Domain Adaptation", 2016).

    Args:
        model: A network on the loader's device; left in training mode or not, as it is.
        loader: The samples, with a transform that draws nothing.
        precision: ``float32`` or ``bfloat16``.
        on_samples: Told how many samples went through.
    """

    def inputs() -> Iterator[torch.Tensor]:
        for batch, labels in loader.ordered():
            yield batch
            on_samples(len(labels))

    with parametrize.cached(), autocast(loader.device, precision), QuickConvolutions():
        update_bn(inputs(), model)


def learning_parameters(model: nn.Module, parts: tuple[Part, ...]) -> Iterator[nn.Parameter]:
    """The parameters that the named parts of a network consist of, each once.

    The head comes with what the method declares to learn with it.
    """
    seen: set[nn.Parameter] = set()
    for part in parts:
        for parameter in _part(model, part):
            if parameter not in seen:
                seen.add(parameter)
                yield parameter


def _part(model: nn.Module, part: Part) -> Iterator[nn.Parameter]:
    if part == "all":
        yield from model.parameters()
    elif part == "head":
        yield from model.get_classifier().parameters()  # type: ignore[operator]
        yield from (model.get_parameter(name) for name in roles_of(model).learns)
    elif part == "adapters":
        yield from lora_parameters(model).values()
    else:
        for module in _norms(model):
            yield from module.parameters(recurse=False)


def count_learning(model: nn.Module, schedule: Schedule) -> dict[str, int]:
    """How many parameters learn in any stage, by what they are.

    Args:
        model: A network that :func:`prepare` has seen.
        schedule: What it returned.

    Returns:
        Counts under ``all``; or under ``head``, ``adapters`` and ``norm``, and, for what a method
        declares to learn with the head, under its name in the method's layers.
    """
    parts = {part for stage in schedule.stages for part in stage.trains}
    if "all" in parts:
        return {"all": sum(parameter.numel() for parameter in model.parameters())}
    owned = roles_of(model).learns if "head" in parts else {}
    own = {model.get_parameter(name): label for name, label in owned.items()}
    counts = Counter[str]()
    for part in ("head", "adapters", "norm", "affine"):
        for parameter in _part(model, part) if part in parts else ():
            if part == "head" or parameter not in own:
                label = "norm" if part == "affine" else part
                counts[own.get(parameter, label)] += parameter.numel()
    return dict(counts)


def _norms(model: nn.Module) -> Iterator[nn.Module]:
    return (module for module in model.modules() if isinstance(module, _BatchNorm))


def start_stage(stage: Stage, model: nn.Module) -> list[nn.Parameter]:
    """Freeze all but the stage's parameters, and return these.

    Frozen convolutions then cost no weight gradient, and a stage that trains the head alone
    records no graph below it.
    """
    model.requires_grad_(False)
    learning = list(learning_parameters(model, stage.trains))
    for parameter in learning:
        parameter.requires_grad_(True)
    return learning


def set_training(model: nn.Module, stage: Stage) -> None:
    """Training mode, except for BatchNorm layers that the stage freezes."""
    model.train()
    for module in _norms(model) if stage.freezes_norm else ():
        module.eval()


def training_loss(
    model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor, precision: str = "float32"
) -> torch.Tensor:
    """Cross-entropy of one batch, each adapted kernel made once however often it is read."""
    with parametrize.cached(), autocast(inputs.device, precision), QuickConvolutions():
        return nn.functional.cross_entropy(model(inputs), labels)


def _optimiser(
    stage: Stage, learning: list[nn.Parameter], settings: FitSettings
) -> torch.optim.Optimizer:
    if stage.optimiser == "adam":
        return torch.optim.Adam(learning)
    return torch.optim.AdamW(learning, weight_decay=settings.weight_decay)


def _train_epoch(
    model: nn.Module,
    loader: BatchLoader,
    optimiser: torch.optim.Optimizer,
    random: RandomSource,
    precision: str,
    on_samples: Callable[[int], None],
) -> float:
    """One pass over the training part; returns the mean loss a sample."""
    total = torch.zeros((), dtype=torch.float64, device=loader.device)
    for inputs, labels in loader.shuffled(random):
        optimiser.zero_grad(set_to_none=True)
        with span("forward", fine=True):
            loss = training_loss(model, inputs, labels, precision)
        with span("backward", fine=True):
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        total += loss.detach().double() * len(labels)
        on_samples(len(labels))
    mean = float(total) / len(loader)
    if not math.isfinite(mean):
        msg = f"the training loss became {mean}; lower the learning rate (--set fit.lr=...)"
        raise DivergedError(msg)
    return mean


def _validate(
    model: nn.Module, loader: BatchLoader, precision: str, on_samples: Callable[[int], None]
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over the validation part."""
    with parametrize.cached():
        logits = predict(model, loader, precision=precision, on_samples=on_samples)
    labels = torch.from_numpy(loader.labels)
    loss = nn.functional.cross_entropy(logits.double(), labels)
    return float(loss), float((logits.argmax(1) == labels).double().mean())
