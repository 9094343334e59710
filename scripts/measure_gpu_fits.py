"""A fit as crossbench makes it beside a plain PyTorch loop: what the harness adds.

Both take the same batches of the same volumes in the same order through the same network, with the
same optimiser, and predict the validation part after every epoch. The loop finds network inputs on
the device; crossbench reads stored samples, sends and normalises each batch, and keeps the weights
of the best epoch.
"""

from __future__ import annotations

import copy
import statistics
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from measure_gpu_steps import METHODS, build
from torch import nn

from crossbench.data.dataset import Dataset
from crossbench.data.transforms import RandomSource
from crossbench.data.transforms.volume import VolumeTransform
from crossbench.environment.measure import interleave
from crossbench.protocols import PROTOCOLS
from crossbench.specs import FitSettings, LoraSettings
from crossbench.training.fit import fit, prepare
from crossbench.training.loader import BatchLoader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_SETTINGS = FitSettings(epochs=2, milestone=1.0)  # one learning rate throughout


@dataclass(frozen=True)
class Part:
    """A part of a dataset as network inputs on the device."""

    inputs: torch.Tensor
    labels: torch.Tensor

    @classmethod
    def of(cls, loader: BatchLoader) -> Part:
        """All batches of a loader."""
        inputs, labels = zip(*loader.ordered(), strict=True)
        return cls(torch.cat(inputs), torch.cat(labels))

    def batches(self, order: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Its samples in an order."""
        for batch in order.to(self.labels.device).split(_SETTINGS.batch_size):
            yield self.inputs[batch], self.labels[batch]


def fits(device: torch.device, *, tiny: bool) -> list[dict[str, Any]]:
    """Times of both ways for each method, and the mean training loss of the last epoch."""
    loaders = _loaders(device, tiny=tiny)
    parts = [Part.of(loader) for loader in loaders]
    rows = []
    for method in METHODS[:1] if tiny else METHODS:
        network = build(method, device, tiny=tiny)
        ways = {
            "crossbench": partial(fit_by_crossbench, network, *loaders),
            "plain loop": partial(plain_loop, network, *parts),
        }
        rows.append({"method": method} | compare(network, ways, turns=3 if tiny else 9))
    return rows


def compare(
    network: nn.Module, ways: Mapping[str, Callable[[], float]], *, turns: int
) -> dict[str, Any]:
    """Times of two ways of fitting a network, in turn and each from the same weights.

    Raises:
        Exception: What made one of them fail.
    """
    before = copy.deepcopy(network.state_dict())
    losses: dict[str, float] = {}

    def fit_again(name: str) -> None:
        network.load_state_dict(before)
        losses[name] = ways[name]()

    calls = {name: partial(fit_again, name) for name in ways}
    device = next(network.parameters()).device
    times, failures = interleave(calls, repeats=turns, device=device)
    for error in failures.values():
        raise error
    ratios = sorted(one / other for one, other in zip(*times.values(), strict=True))
    return {
        **{f"{name}, s": f"{statistics.median(each):.3f}" for name, each in times.items()},
        "ratio (range)": f"{statistics.median(ratios):.2f} ({ratios[0]:.2f}..{ratios[-1]:.2f})",
        "losses": " ".join(f"{losses[name]:.4f}" for name in ways),
    }


def fit_by_crossbench(network: nn.Module, train: BatchLoader, validation: BatchLoader) -> float:
    """A fit of every parameter; returns the mean training loss of the last epoch."""
    fitted = fit(
        network,
        schedule=prepare(network, PROTOCOLS["finetune"], LoraSettings()),
        settings=_SETTINGS,
        train=train,
        validation=validation,
        random=RandomSource(0, train.device),
    )
    return float(fitted.curve[-1]["train_loss"])


def plain_loop(network: nn.Module, train: Part, validation: Part) -> float:
    """The same in plain PyTorch."""
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=_SETTINGS.lr, weight_decay=_SETTINGS.weight_decay
    )
    order = RandomSource(0, train.labels.device).cpu
    for _ in range(_SETTINGS.epochs):
        network.train()
        total = torch.zeros((), device=train.labels.device)
        for inputs, labels in train.batches(torch.randperm(len(train.labels), generator=order)):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(inputs), labels)
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(labels)
        network.eval()
        with torch.no_grad():
            batches = validation.batches(torch.arange(len(validation.labels)))
            logits = torch.cat([network(inputs) for inputs, _ in batches])
            nn.functional.cross_entropy(logits, validation.labels).item()
    return float(total) / len(train.labels)


def _loaders(device: torch.device, *, tiny: bool) -> tuple[BatchLoader, BatchLoader]:
    """Volumes of noise, a little brighter in one of two classes, for training and validation."""
    count, side, fitted = (24, 18, 16) if tiny else (1280, 28, 1024)
    labels = np.arange(count) // 2 % 2
    images = np.random.default_rng(0).integers(0, 200, (count, 1, side, side, side), dtype=np.uint8)
    images[labels == 1] += 20
    dataset = Dataset(
        images=images,
        labels=labels,
        num_classes=2,
        groups=None,
        official=None,
        covariate=None,
        source="phantom",
        file=Path("noise"),
        content_hash="",
    )
    transform = VolumeTransform(value_range=(0.0, 255.0), mean=(0.5,) * 3, std=(0.25,) * 3)
    train, validation = (
        BatchLoader(
            dataset=dataset,
            indices=indices,
            transform=transform,
            batch_size=_SETTINGS.batch_size,
            device=device,
        )
        for indices in np.split(np.arange(count), [fitted])
    )
    return train, validation
