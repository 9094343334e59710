"""Fitting beside a frozen encoder: the rate, the gradients, the windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from crossbench.data.dataset import Dataset
from crossbench.data.transforms import RandomSource
from crossbench.specs import FitSettings, FusionSettings
from crossbench.training.fit import DivergedError
from crossbench.training.fusion import Embedded, cosine_lr, fit_fusion, measure, predict_fusion
from crossbench.training.loader import BatchLoader, shuffled_batches

FIT = FitSettings(epochs=4, batch_size=4, lr=0.05)


class Fused(nn.Module):
    """Embeddings beside the inputs' mean; the encoder itself is never asked."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.frozen = nn.Linear(2, 2)
        self.standardise = nn.BatchNorm1d(2, affine=False)
        self.head = nn.Linear(3, 2)

    def fuse(self, inputs: torch.Tensor, embedded: torch.Tensor) -> torch.Tensor:
        mean = inputs.flatten(1).mean(1, keepdim=True)
        return self.head(torch.cat([self.standardise(embedded), mean], 1))


def part(samples: int = 12, windows: int = 3) -> Embedded:
    rng = np.random.default_rng(0)
    labels = np.arange(samples) % 2
    dataset: Any = Dataset(
        images=rng.standard_normal((samples, 1, 4)).astype(np.float32),
        labels=labels,
        num_classes=2,
        groups=None,
        official=None,
        covariate=None,
        source="real",
        file=None,  # type: ignore[arg-type]
        content_hash="",
    )
    loader = BatchLoader(
        dataset=dataset,
        indices=np.arange(samples),
        transform=lambda raw, random=None: raw,
        batch_size=4,
        device=torch.device("cpu"),
    )
    rows = rng.standard_normal((samples, windows, 2)) + labels[:, None, None]
    return Embedded(loader, torch.from_numpy(rows.astype(np.float32)))


def fitted(fusion: FusionSettings, fit: FitSettings = FIT) -> tuple[Fused, Any]:
    model = Fused()
    done = fit_fusion(
        model, fit=fit, fusion=fusion, train=part(), selection=part(), random=source()
    )
    return model, done


def source() -> RandomSource:
    return RandomSource(7, torch.device("cpu"))


def test_the_rate_falls_along_the_cosine_of_torch() -> None:
    optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=FIT.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, FIT.epochs, eta_min=1e-7)
    for epoch in range(1, FIT.epochs + 1):
        assert cosine_lr(FIT, epoch) == pytest.approx(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()


@pytest.mark.parametrize("when", ["step", "epoch"])
def test_gradients_pile_up_over_an_epoch_only_where_told_to(when: Any) -> None:
    """By hand: three steps of one epoch, gradients kept or not."""
    model, _ = fitted(
        FusionSettings(zero_grad=when, select="last"), FitSettings(epochs=1, batch_size=4, lr=0.05)
    )
    other, train, random = Fused(), part(), source()
    optimiser = torch.optim.AdamW(other.head.parameters(), lr=0.05, weight_decay=0.01)
    other.standardise.eval()
    batches = shuffled_batches(12, 4, random)
    assert train.windows is not None
    for rows, (inputs, labels) in zip(batches, train.loader.stream(batches, random), strict=True):
        chosen = torch.randint(3, (4,), generator=random.cpu)
        embedded = train.windows[torch.from_numpy(rows)][torch.arange(4), chosen]
        if when == "step":
            optimiser.zero_grad()
        nn.functional.cross_entropy(other.fuse(inputs, embedded), labels).backward()
        optimiser.step()
    assert torch.equal(model.head.weight, other.head.weight)


def test_the_encoder_keeps_every_bit() -> None:
    model, done = fitted(FusionSettings())
    assert torch.equal(model.frozen.weight, Fused().frozen.weight)
    assert not torch.equal(model.head.weight, Fused().head.weight)
    assert len(done.curve) == FIT.epochs


@pytest.mark.parametrize(
    ("select", "chosen"),
    [
        ("loss", lambda curve: 1 + int(np.argmin([row["val_loss"] for row in curve]))),
        ("mcc", lambda curve: 1 + int(np.argmax([row["val_mcc"] for row in curve]))),
        ("last", len),
    ],
)
def test_what_chooses_the_epoch(select: Any, chosen: Any) -> None:
    _, done = fitted(FusionSettings(select=select), FitSettings(epochs=6, batch_size=4, lr=0.3))
    assert done.selected_epoch == chosen(done.curve)


def test_samples_are_tested_by_the_mean_of_their_windows_or_by_one_that_is_drawn() -> None:
    model, train = Fused().eval(), part()
    assert train.windows is not None
    inputs = torch.from_numpy(train.loader.dataset.images)
    mean = predict_fusion(model, train, FusionSettings(), source())
    assert torch.allclose(mean, model.fuse(inputs, train.windows.mean(1)), atol=1e-6)
    drawn = predict_fusion(model, train, FusionSettings(windows="drawn"), source())
    each = torch.stack([model.fuse(inputs, train.windows[:, window]) for window in range(3)])
    assert ((drawn - each).abs().amax(2) < 1e-6).any(0).all()
    assert not torch.allclose(drawn, mean)


def test_embeddings_are_standardised_by_every_window() -> None:
    model, train = Fused().eval(), part()
    assert train.windows is not None
    measure(model, train.windows)
    normal = model.standardise(train.windows.flatten(0, 1))
    assert torch.allclose(normal.mean(0), torch.zeros(2), atol=1e-5)
    assert torch.allclose(normal.std(0, correction=0), torch.ones(2), atol=1e-3)


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    with pytest.raises(DivergedError, match=r"lower the learning rate \(--set fit.lr"):
        fitted(FusionSettings(), FitSettings(epochs=3, batch_size=4, lr=1e30))
