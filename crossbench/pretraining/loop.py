"""Training a whole 2D network from scratch, epoch by epoch, such that it can be killed and go on.

Every epoch draws from streams of its own, which follow from the seed and the epoch's number: what
a stopped run needs to go on exactly as if nothing had happened is the network, the optimiser and
the number of epochs done.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from crossbench.data.formats.folder import UNREAD
from crossbench.environment.arithmetic import autocast, derive_seed, finish
from crossbench.environment.spans import collect, span
from crossbench.errors import RequestError, WeightsError
from crossbench.files.atomic import replacing
from crossbench.training.fit import DivergedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from crossbench.pretraining.distributed import ProcessGroup
    from crossbench.specs import PretrainSettings


class Part(Protocol):
    """The training or the validation part of what a network is pretrained on."""

    @property
    def labels(self) -> NDArray[np.int64]:
        """(n,) int64 labels."""

    @property
    def unreadable(self) -> set[str]:
        """The samples found unreadable so far, by name."""

    def check(self, unreadable: set[str]) -> None:
        """Raise :class:`crossbench.errors.DataError` if these are too many."""

    def stream(
        self, batches: Sequence[NDArray[np.int64]], seed: int | None
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Batches of network inputs.

        Args:
            batches: Positions of the samples of each batch, in 0..n-1.
            seed: What augmentation draws from; None for no augmentation.

        Yields:
            (B, 3, S, S) float32 inputs and (B,) int64 labels on the device. A sample that cannot
            be read is replaced by another where ``seed`` is given, and else labelled
            :data:`UNREAD`.
        """


@dataclass(frozen=True, kw_only=True)
class Job:
    """One network to train.

    Attributes:
        network: On its device, freshly drawn.
        settings: The recipe.
        train: What it learns from.
        validation: What it is scored on after each epoch.
        group: The processes that share the work.
        device: Where this one works.
        seed: Of the order of samples and of everything else drawn in training.
        state: File of the last epoch's state.
        identity: What the state must belong to, to be gone on from.
    """

    network: nn.Module
    settings: PretrainSettings
    train: Part
    validation: Part
    group: ProcessGroup
    device: torch.device
    seed: int
    state: Path
    identity: str


@dataclass(kw_only=True)
class Progress:
    """Progress of a job.

    Attributes:
        epoch: Epochs done.
        curve: One row an epoch.
        lowest: Where the lowest validation loss selects: that loss, its epoch and weights.
        unreadable: Names of the samples that could not be read, by part.
    """

    epoch: int = 0
    curve: list[dict[str, Any]] = field(default_factory=list)
    lowest: dict[str, Any] | None = None
    unreadable: dict[str, list[str]] = field(default_factory=dict)

    @property
    def selected(self) -> int:
        """The epoch whose weights are kept."""
        return self.lowest["epoch"] if self.lowest is not None else self.epoch


def train(
    job: Job,
    *,
    on_epoch: Callable[[dict[str, Any]], None] = lambda _: None,
    on_samples: Callable[[int], None] = lambda _: None,
) -> Progress:
    """Train the network, going on from the state of an earlier process where there is one.

    Args:
        job: What to do; its network is left with the selected weights.
        on_epoch: Told the row of each epoch, those done before included.
        on_samples: Told how many samples went through this process, for progress.

    Raises:
        RequestError: If a process would get fewer than two samples a step.
        DataError: If too many samples are unreadable.
        DivergedError: If a training loss is NaN or infinite.
        WeightsError: If the state is of this job and yet does not fit it, or cannot be written.
    """
    _check_batches(job)
    settings = job.settings
    model = _wrapped(job)
    optimiser = torch.optim.AdamW(
        job.network.parameters(), lr=settings.lr, weight_decay=settings.weight_decay
    )
    progress = _resumed(job, optimiser)
    for row in progress.curve:
        on_epoch(row)
    for epoch in range(progress.epoch + 1, settings.epochs + 1):
        lr = step_lr(settings, epoch)
        for group in optimiser.param_groups:
            group["lr"] = lr
        with collect() as seconds:
            with span("train"):
                train_loss = _train_epoch(job, model, optimiser, epoch, on_samples)
            with span("validate"):
                val_loss, val_accuracy = _validate(job, on_samples)
        row = {
            "epoch": epoch,
            "lr": lr,
            "train_loss": train_loss,
            "val_loss": val_loss if math.isfinite(val_loss) else None,
            "val_accuracy": val_accuracy,
            "images_per_second": len(job.train.labels) / seconds["train"],
            "train_seconds": seconds["train"],
            "val_seconds": seconds["validate"],
        }
        progress.epoch = epoch
        progress.curve.append(row)
        progress.unreadable = _unreadable(job)
        _select(job, progress, val_loss)
        _save(job, optimiser, progress)
        on_epoch(row)
    if progress.lowest is not None:
        job.network.load_state_dict(progress.lowest["weights"])
    return progress


def step_lr(settings: PretrainSettings, epoch: int) -> float:
    """Learning rate of an epoch (from 1), dropping every ``step`` epochs."""
    return settings.lr * settings.gamma ** ((epoch - 1) // settings.step)


def score(job: Job) -> tuple[NDArray[np.int64], torch.Tensor]:
    """Labels and logits of the validation part.

    Returns:
        (m,) int64 labels of the samples that could be read, and their (m, K) float32 logits on
        the CPU; the same on every process.
    """
    places, labels, logits = _predict(job)
    gathered = job.group.gather((places, labels.numpy(), logits.numpy()))
    order = np.argsort(np.concatenate([part[0] for part in gathered]))
    every = np.concatenate([part[1] for part in gathered])[order]
    scores = torch.from_numpy(np.concatenate([part[2] for part in gathered])[order])
    read = every != UNREAD
    return every[read], scores[torch.from_numpy(read)]


# ----------------------------------------------------------------------------- one epoch


def _train_epoch(
    job: Job,
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    epoch: int,
    on_samples: Callable[[int], None],
) -> float:
    """One pass over the training part; returns the mean loss a sample, over all processes."""
    group, settings = job.group, job.settings
    model.train()
    batches = batches_of(
        len(job.train.labels), settings.batch_size, _least(job), seed=job.seed, epoch=epoch
    )
    own = [batch[group.rank :: group.size] for batch in batches]
    torch.manual_seed(derive_seed("network", job.seed, epoch, group.rank))  # dropout and the like
    seed = derive_seed("augment", job.seed, epoch, group.rank)
    total = torch.zeros((), dtype=torch.float64, device=job.device)
    for batch, (inputs, labels) in zip(batches, job.train.stream(own, seed), strict=True):
        optimiser.zero_grad(set_to_none=True)
        with autocast(job.device, settings.precision):
            logits = model(_laid_out(job, inputs))
            losses = nn.functional.cross_entropy(logits, labels, reduction="sum")
        # Gradients are averaged over the processes, whose shares of a batch may differ by one.
        (losses * (group.size / len(batch))).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += losses.detach().double()
        on_samples(len(labels))
    finish(job.device)
    group.average(list(job.network.buffers()))  # the last step left each with statistics of its own
    mean = float(group.all_reduce(total)) / len(job.train.labels)
    if not math.isfinite(mean):
        msg = f"the training loss became {mean} in epoch {epoch}; lower the rate (--set lr=...)"
        raise DivergedError(msg)
    return mean


def batches_of(
    count: int, size: int, least: int, *, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
    """Positions 0..count-1 in the order of an epoch, cut into batches over all processes.

    Fewer than ``least`` samples at the end join the batch before.
    """
    order = np.random.default_rng(derive_seed("order", seed, epoch)).permutation(count)
    cuts = list(range(size, count, size))
    if cuts and count - cuts[-1] < least:
        cuts.pop()
    return np.split(order, cuts)


def _least(job: Job) -> int:
    """BatchNorm cannot normalise the one value a channel that one sample may leave."""
    return 2 * job.group.size


def _check_batches(job: Job) -> None:
    fewest = min(job.settings.batch_size, len(job.train.labels))
    if fewest < _least(job):
        msg = (
            f"{fewest} samples a step for {job.group.size} processes leave some with one, which "
            "BatchNorm cannot normalise; raise batch_size or start fewer processes"
        )
        raise RequestError(msg)


def _validate(job: Job, on_samples: Callable[[int], None]) -> tuple[float, float]:
    """Mean cross-entropy and accuracy over the validation part, over all processes."""
    _, labels, logits = _predict(job, on_samples)
    read = labels != UNREAD
    labels, logits = labels[read], logits[read].double()
    losses = nn.functional.cross_entropy(logits, labels, reduction="sum")
    hits = (logits.argmax(1) == labels).sum()
    sums = torch.stack([losses, hits.double(), read.sum().double()]).to(job.device)
    loss, hit, count = job.group.all_reduce(sums).tolist()
    return loss / max(count, 1), hit / max(count, 1)


@torch.no_grad()
def _predict(
    job: Job, on_samples: Callable[[int], None] = lambda _: None
) -> tuple[NDArray[np.int64], torch.Tensor, torch.Tensor]:
    """Positions, labels and logits of this process's share of the validation part."""
    job.network.eval()
    size, group = max(1, job.settings.batch_size // job.group.size), job.group
    own = np.arange(group.rank, len(job.validation.labels), group.size)
    batches = [own[start : start + size] for start in range(0, len(own), size)]
    labels, logits = [torch.zeros(0, dtype=torch.long)], []
    for inputs, given in job.validation.stream(batches, None):
        with autocast(job.device, job.settings.precision):
            logits.append(job.network(_laid_out(job, inputs)).float().cpu())
        labels.append(given.cpu())
        on_samples(len(given))
    every = torch.cat(logits) if logits else torch.zeros(0, _num_classes(job))
    return own, torch.cat(labels), every


def _num_classes(job: Job) -> int:
    return int(job.network.num_classes)  # type: ignore[arg-type]


def _unreadable(job: Job) -> dict[str, list[str]]:
    """Samples that no process could read, by part; too many are refused."""
    found = {}
    for name, part in (("train", job.train), ("val", job.validation)):
        names = set().union(*job.group.gather(part.unreadable))
        part.check(names)
        found[name] = sorted(names)
    return found


def _laid_out(job: Job, inputs: torch.Tensor) -> torch.Tensor:
    if job.settings.channels_last:
        return inputs.contiguous(memory_format=torch.channels_last)
    return inputs


def _wrapped(job: Job) -> nn.Module:
    """The network as it is trained: compiled and distributed where asked for."""
    model = job.network
    if job.group.size > 1:
        if job.device.type == "cuda":
            model = convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
        devices = [job.device] if job.device.type == "cuda" else None
        model = DistributedDataParallel(model, device_ids=devices)
    return torch.compile(model) if job.settings.compile else model  # type: ignore[return-value]


# ------------------------------------------------------------------------ from epoch to epoch


def _select(job: Job, progress: Progress, loss: float) -> None:
    """Keep the weights of the lowest validation loss, where the settings ask for them."""
    if job.settings.select != "lowest":
        return
    score = loss if math.isfinite(loss) else math.inf
    if progress.lowest is None or score < progress.lowest["loss"]:
        weights = {key: tensor.clone() for key, tensor in job.network.state_dict().items()}
        progress.lowest = {"loss": score, "epoch": progress.epoch, "weights": weights}


def _save(job: Job, optimiser: torch.optim.Optimizer, progress: Progress) -> None:
    """Put the state of the epoch just done on the disk; the next begins when it is there."""
    state = {
        "identity": job.identity,
        "network": job.network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": vars(progress),
    }

    def write() -> None:
        try:
            with replacing(job.state) as draft, draft.open("wb") as stream:
                torch.save(state, stream)
        except (OSError, RuntimeError) as error:  # torch's own, where the disk is full
            reason = str(error).partition("\n")[0]
            msg = (
                f"{job.state}: the state after epoch {progress.epoch} cannot be written "
                f"({reason}); {_left(job)}; make room and give the command again"
            )
            raise WeightsError(msg) from error

    job.group.on_main(write)


def _left(job: Job) -> str:
    """State that a failed write left to go on from, in words."""
    return "that of an epoch before is kept" if job.state.is_file() else "none is kept so far"


def _resumed(job: Job, optimiser: torch.optim.Optimizer) -> Progress:
    """Progress of an earlier process of the same identity, loaded; else the beginning."""
    if not job.group.broadcast(job.state.is_file()):
        return Progress()
    try:
        state = torch.load(job.state, map_location=job.device, weights_only=True)
        if state["identity"] != job.identity:
            return Progress()
        job.network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        return Progress(**state["progress"])
    except Exception as error:
        reason = str(error).partition("\n")[0]
        msg = f"{job.state} cannot be gone on from ({reason}); remove it to begin anew"
        raise WeightsError(msg) from error
