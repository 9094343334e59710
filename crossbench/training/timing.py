"""Seconds that steps of a network take on a device, for estimates."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

import torch

from crossbench.environment.arithmetic import finish
from crossbench.training.convolutions import QuickConvolutions
from crossbench.training.fit import set_training, start_stage, training_loss

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from crossbench.training.stages import Schedule


def seconds_of(call: Callable[[], None], device: torch.device) -> float:
    """Seconds that a call takes on a device: the faster of two after a warm-up."""
    call()
    times = []
    for _ in range(2):
        finish(device)
        begin = perf_counter()
        call()
        finish(device)
        times.append(perf_counter() - begin)
    return min(times)


def evaluation_seconds(model: nn.Module, shape: Sequence[int], device: torch.device) -> float:
    """Seconds a sample of predicting a batch of shape (B, C, *spatial)."""
    inputs = torch.rand(*shape).to(device)
    model.eval()

    @torch.no_grad()
    def predict() -> None:
        with QuickConvolutions():
            model(inputs)

    return seconds_of(predict, device) / len(inputs)


def training_seconds(
    model: nn.Module,
    shape: Sequence[int],
    schedule: Schedule,
    epochs: int,
    device: torch.device,
) -> float:
    """Seconds a sample of training on a batch of shape (B, C, *spatial), mean over the epochs."""
    inputs = torch.rand(*shape).to(device)
    labels = torch.zeros(len(inputs), dtype=torch.long, device=device)

    def step() -> None:
        training_loss(model, inputs, labels).backward()  # type: ignore[no-untyped-call]

    mean = 0.0
    for stage in schedule.stages:
        share = sum(schedule.stage_at(epoch, epochs) is stage for epoch in range(1, epochs + 1))
        start_stage(stage, model)
        set_training(model, stage)
        if share:
            mean += share / epochs * seconds_of(step, device)
    return mean / len(inputs)
