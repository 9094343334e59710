"""Fitting what learns beside a frozen encoder, over embeddings that are computed already."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn

from crossbench.environment.arithmetic import autocast
from crossbench.environment.spans import span
from crossbench.evaluation.metrics import METRICS
from crossbench.training.fit import Best, DivergedError
from crossbench.training.loader import shuffled_batches
from crossbench.training.predict import log_probabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from crossbench.data.transforms import RandomSource
    from crossbench.specs import FitSettings, FusionSettings
    from crossbench.training.loader import BatchLoader

_LOWEST_LR = 1e-7  # where the cosine ends


class Embedded(NamedTuple):
    """A part of the split and the embeddings of its samples.

    Attributes:
        loader: The samples.
        windows: (n, W, F) float32 on the loader's device; None of a network without a frozen
            encoder.
    """

    loader: BatchLoader
    windows: Tensor | None


@dataclass(frozen=True, kw_only=True)
class FusionFit:
    """Result of a fit, besides the network, which holds the selected weights.

    Attributes:
        curve: One row an epoch.
        selected_epoch: From 1.
    """

    curve: tuple[dict[str, Any], ...]
    selected_epoch: int


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a network that are not its frozen encoder's, by name."""
    frozen: nn.Module | None = getattr(model, "frozen", None)
    kept = set() if frozen is None else set(frozen.parameters())
    return {name: each for name, each in model.named_parameters() if each not in kept}


def open_learning(model: nn.Module) -> list[nn.Parameter]:
    """Freeze the encoder alone, and return what learns."""
    model.requires_grad_(False)
    found = list(learning(model).values())
    for each in found:
        each.requires_grad_(True)
    return found


@torch.no_grad()
def embed(model: nn.Module, inputs: Tensor) -> Tensor | None:
    """Embeddings (B, W, F) of a batch by the frozen encoder of a network, if it has one."""
    encoder: nn.Module | None = getattr(model, "frozen", None)
    if encoder is None:
        return None
    windows: Tensor = encoder.eval()(inputs)
    return windows


def answer(model: nn.Module, inputs: Tensor, embedded: Tensor | None) -> Tensor:
    """A network's logits (B, K) from inputs and, where it has a frozen encoder, embeddings."""
    logits: Tensor = model(inputs) if embedded is None else model.fuse(inputs, embedded)  # type: ignore[operator]
    return logits


def measure(model: nn.Module, windows: Tensor) -> None:
    """Set the statistics by which a network standardises embeddings to those of (n, W, F)."""
    norm: nn.BatchNorm1d = model.standardise  # type: ignore[assignment]
    rows = windows.flatten(0, 1)
    norm.running_mean.copy_(rows.mean(0))  # type: ignore[union-attr]
    norm.running_var.copy_(rows.var(0, correction=0))  # type: ignore[union-attr]


def fit_fusion(
    model: nn.Module,
    *,
    fit: FitSettings,
    fusion: FusionSettings,
    train: Embedded,
    selection: Embedded,
    random: RandomSource,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> FusionFit:
    """Fit all but the frozen encoder, and leave the network with the weights of the best epoch.

    AdamW, its rate falling from epoch to epoch along half a cosine. Of each sample, each step
    sees the embedding of one window, drawn afresh.

    Args:
        model: A :class:`crossbench.methods.FusedNetwork`, or a network that learns whole.
        fit: Epochs, batch size, learning rate, weight decay.
        fusion: When gradients are zeroed, and what chooses the epoch.
        train: The training part.
        selection: The part that chooses.
        random: Draws the order and the windows.
        precision: ``float32`` or ``bfloat16``.
        on_samples: Told how many samples went through, for progress.

    Raises:
        DivergedError: If a training loss is NaN or infinite.
    """
    optimiser = torch.optim.AdamW(open_learning(model), lr=fit.lr, weight_decay=fit.weight_decay)
    best, curve = Best(), list[dict[str, Any]]()
    for epoch in range(1, fit.epochs + 1):
        rate = cosine_lr(fit, epoch)
        for group in optimiser.param_groups:
            group["lr"] = rate
        with span("train"):
            loss = _train_epoch(model, train, optimiser, random, fusion, precision, on_samples)
        with span("validate"):
            found = _judge(model, selection, fusion, random, precision, on_samples)
        best.offer(
            model,
            epoch,
            {"loss": found["val_loss"], "mcc": -found["val_mcc"], "last": -epoch}[fusion.select],
        )
        finite = {key: value if math.isfinite(value) else None for key, value in found.items()}
        curve.append({"epoch": epoch, "stage": "fusion", "lr": rate, "train_loss": loss, **finite})
    model.load_state_dict(best.state)
    return FusionFit(curve=tuple(curve), selected_epoch=best.epoch)


def cosine_lr(fit: FitSettings, epoch: int) -> float:
    """Learning rate of an epoch (from 1): half a cosine from the preset's rate to 1e-7."""
    share = (1 + math.cos(math.pi * (epoch - 1) / fit.epochs)) / 2
    return _LOWEST_LR + (fit.lr - _LOWEST_LR) * share


@torch.no_grad()
def predict_fusion(
    model: nn.Module,
    part: Embedded,
    fusion: FusionSettings,
    random: RandomSource,
    *,
    precision: str = "float32",
    on_samples: Callable[[int], None] = lambda _: None,
) -> Tensor:
    """Logits (n, K) float32 on the CPU, in the loader's order; by the mean over the windows.

    The model is left in evaluation mode.
    """
    model.eval()
    drawn = random if fusion.windows == "drawn" else None
    size, count = part.loader.batch_size, len(part.loader)
    batches = [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
    logits = []
    for inputs, labels, embedded in _batches(part, batches, drawn):
        with span("evaluate", fine=True), autocast(part.loader.device, precision):
            logits.append(answer(model, inputs, embedded).float())
        on_samples(len(labels))
    return torch.cat(logits).cpu()


def _train_epoch(
    model: nn.Module,
    part: Embedded,
    optimiser: torch.optim.Optimizer,
    random: RandomSource,
    fusion: FusionSettings,
    precision: str,
    on_samples: Callable[[int], None],
) -> float:
    """One pass over the training part; returns the mean loss a sample."""
    set_training(model)
    total = 0.0
    optimiser.zero_grad(set_to_none=True)
    batches = shuffled_batches(len(part.loader), part.loader.batch_size, random)
    for inputs, labels, embedded in _batches(part, batches, random):
        if fusion.zero_grad == "step":
            optimiser.zero_grad(set_to_none=True)
        with autocast(part.loader.device, precision):
            loss = nn.functional.cross_entropy(answer(model, inputs, embedded), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += float(loss.detach()) * len(labels)
        on_samples(len(labels))
    mean = total / len(part.loader)
    if not math.isfinite(mean):
        msg = f"the training loss became {mean}; lower the learning rate (--set fit.lr=...)"
        raise DivergedError(msg)
    return mean


def set_training(model: nn.Module) -> None:
    """Training mode, except for the frozen encoder and what standardises its embeddings."""
    model.train()
    for name in ("frozen", "standardise"):
        module: nn.Module | None = getattr(model, name, None)
        if module is not None:
            module.eval()


def _judge(
    model: nn.Module,
    part: Embedded,
    fusion: FusionSettings,
    random: RandomSource,
    precision: str,
    on_samples: Callable[[int], None],
) -> dict[str, float]:
    """Loss, accuracy and Matthews' correlation of the part that chooses the epoch."""
    logits = predict_fusion(model, part, fusion, random, precision=precision, on_samples=on_samples)
    if not logits.isfinite().all():
        return {"val_loss": math.inf, "val_accuracy": 0.0, "val_mcc": -1.0}
    labels, rows = part.loader.labels, log_probabilities(logits)
    scores = {name: METRICS[name].function(labels, rows) for name in ("accuracy", "mcc")}
    loss = float(nn.functional.cross_entropy(logits.double(), torch.from_numpy(labels)))
    return {"val_loss": loss} | {f"val_{name}": value for name, value in scores.items()}


def _batches(
    part: Embedded, batches: Sequence[NDArray[np.int64]], random: RandomSource | None
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    """Batches of inputs, labels, and embeddings (B, F): of a drawn window, or their mean."""
    for positions, (inputs, labels) in zip(
        batches, part.loader.stream(batches, random), strict=True
    ):
        embedded = None
        if part.windows is not None:
            rows = part.windows[torch.from_numpy(positions).to(part.windows.device)]
            embedded = rows.mean(1) if random is None else _drawn(rows, random)
        yield inputs, labels, embedded


def _drawn(windows: Tensor, random: RandomSource) -> Tensor:
    """One window of each sample, (B, F)."""
    chosen = torch.randint(windows.shape[1], (len(windows),), generator=random.cpu)
    return windows[torch.arange(len(windows)), chosen.to(windows.device)]
