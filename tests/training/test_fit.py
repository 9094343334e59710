from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import pytest
import torch
from torch import nn

from crossbench.data.dataset import Dataset
from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.volume import VolumeTransform
from crossbench.nets.lora import merge_lora
from crossbench.protocols import PROTOCOLS
from crossbench.specs import FitSettings, LoraSettings
from crossbench.training.fit import (
    DivergedError,
    Fit,
    fit,
    learning_parameters,
    prepare,
    recalibrate,
    scheduled_lr,
)
from crossbench.training.loader import BatchLoader
from crossbench.training.predict import log_probabilities, predict

if TYPE_CHECKING:
    from collections.abc import Iterator

CPU = torch.device("cpu")


class Net(nn.Module):
    """The smallest network with a frozen part, a BatchNorm and timm's get_classifier."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv3d(3, 6, 3)
        self.bn = nn.BatchNorm3d(6)
        self.fc = nn.Linear(6, 2)

    def get_classifier(self) -> nn.Module:
        return self.fc

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.bn(self.conv(x))).mean((2, 3, 4)))


def loaders(samples: int = 48) -> tuple[BatchLoader, BatchLoader]:
    random = np.random.default_rng(0)
    labels = np.arange(samples) % 2
    images = random.normal(size=(samples, 1, 6, 6, 6)) + labels[:, None, None, None, None]
    dataset = Dataset(
        images=images.astype(np.float32), labels=labels, num_classes=2, groups=None,
        official=None, covariate=None, source="real", file=Path("x"), content_hash="",
    )  # fmt: skip
    plain = VolumeTransform(value_range=(-3.0, 4.0), mean=(0.5,) * 3, std=(0.2,) * 3)
    augmented = replace(plain, augment=True)
    cut = samples * 3 // 4
    parts = [(np.arange(cut), augmented), (np.arange(cut, samples), plain)]
    train, validation = (
        BatchLoader(dataset=dataset, indices=i, transform=t, batch_size=8, device=CPU)
        for i, t in parts
    )
    return train, validation


def fitted(
    protocol: str, epochs: int, lr: float = 1e-2, lora: LoraSettings | None = None
) -> tuple[Net, Fit]:
    model = Net()
    train, validation = loaders()
    result = fit(
        model, schedule=prepare(model, PROTOCOLS[protocol], lora or LoraSettings()),
        settings=FitSettings(epochs=epochs, lr=lr),
        train=train, validation=validation, random=RandomSource(3, CPU),
    )  # fmt: skip
    return model, result


def changed(model: Net) -> set[str]:
    before = Net().state_dict()
    return {
        key for key, tensor in model.state_dict().items() if not torch.equal(tensor, before[key])
    }


def test_weak_probe_moves_head_and_norm_and_nothing_else() -> None:
    model, result = fitted("weak-probe", epochs=3)
    statistics = {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}
    assert changed(model) <= {"fc.weight", "fc.bias", "bn.weight", "bn.bias"} | statistics
    assert {"fc.weight", "bn.running_mean"} <= changed(model)
    assert [row["stage"] for row in result.curve] == ["head", "head+norm", "head+norm"]
    assert result.trainable == 2 * 6 + 2 + 12


def test_the_head_stage_leaves_the_norm_alone() -> None:
    model, result = fitted("weak-probe", epochs=1)
    assert result.curve[-1]["stage"] == "head+norm"  # one epoch: ceil(2/3) is the first
    stage = PROTOCOLS["weak-probe"].stages[0]
    names = {id(p): name for name, p in model.named_parameters()}
    assert {names[id(p)] for p in learning_parameters(model, stage.trains)} == {
        "fc.weight",
        "fc.bias",
    }


def test_finetune_moves_everything() -> None:
    model, result = fitted("finetune", epochs=2)
    assert changed(model) == set(model.state_dict())
    assert result.trainable == sum(p.numel() for p in model.parameters())


ADAPTERS = 2 * (6 + 3 * 27)  # of rank 2, for the one kernel
HEAD = 2 * 6 + 2


@pytest.mark.parametrize(
    ("batch_norm", "own", "trainable"),
    [
        ("frozen", set(), HEAD + ADAPTERS),
        ("train", {"bn.weight", "bn.bias"}, HEAD + ADAPTERS + 12),
    ],
)
def test_lora_trains_head_and_updates_and_batch_norm_under_its_policy_alone(
    batch_norm: Literal["frozen", "train"], own: set[str], trainable: int
) -> None:
    settings = LoraSettings(rank=2, alpha=4.0, batch_norm=batch_norm)
    model, result = fitted("lora", epochs=3, lora=settings)
    kernel = "parametrizations.weight"
    learning = {f"conv.{kernel}.0.lora_a", f"conv.{kernel}.0.lora_b", "fc.weight", "fc.bias"} | own
    assert {name for name, each in model.named_parameters() if each.requires_grad} == learning
    assert result.trainable == trainable

    base = Net().state_dict()
    after = {
        key.replace(f"{kernel}.original", "weight"): t for key, t in model.state_dict().items()
    }
    moved = {key for key, tensor in base.items() if not torch.equal(tensor, after[key])}
    buffers = {key for key in base if key.startswith("bn.")} if own else set()
    assert moved == {"fc.weight", "fc.bias"} | buffers
    update = (model.conv.weight - base["conv.weight"]).flatten(1)
    assert torch.linalg.matrix_rank(update, rtol=1e-3) == 2


def test_merged_updates_are_the_network_that_validated_best() -> None:
    model, result = fitted("lora", epochs=3)
    assert result.curve[-1]["stage"] == "head+adapters"
    merge_lora(model)
    assert model.state_dict().keys() == Net().state_dict().keys()
    _, validation = loaders()
    loss = nn.functional.cross_entropy(
        predict(model, validation).double(), torch.from_numpy(validation.labels)
    )
    assert float(loss) == min(row["val_loss"] for row in result.curve)


def test_the_learning_rate_drops_once_as_in_the_paper() -> None:
    settings = FitSettings(epochs=15)
    rates = [scheduled_lr(settings, epoch) for epoch in range(1, 16)]
    assert rates == pytest.approx([1e-3] * 7 + [1e-4] * 8)


def test_an_unscheduled_stage_keeps_the_rate_it_finds() -> None:
    _, result = fitted("weak-probe", epochs=6, lr=1e-3)
    assert [row["lr"] for row in result.curve] == pytest.approx([1e-3] * 3 + [1e-4] * 3)


def test_the_epoch_of_lowest_validation_loss_is_kept() -> None:
    model, result = fitted("finetune", epochs=4)
    losses = [row["val_loss"] for row in result.curve]
    assert result.selected_epoch == int(np.argmin(losses)) + 1
    _, validation = loaders()
    logits = predict(model, validation)
    loss = nn.functional.cross_entropy(logits, torch.from_numpy(validation.labels))
    assert float(loss) == pytest.approx(min(losses), rel=1e-5)


def test_it_learns() -> None:
    _, result = fitted("finetune", epochs=6)
    assert result.curve[-1]["val_accuracy"] > 0.9


def test_same_seed_same_bits() -> None:
    (one, first), (two, second) = fitted("weak-probe", 3), fitted("weak-probe", 3)
    assert first.curve == second.curve
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_divergence_is_an_error_with_the_remedy() -> None:
    with pytest.raises(DivergedError, match=r"training loss became .*lower the learning rate"):
        fitted("finetune", epochs=3, lr=1e30)


def test_norm_parameters_are_found_in_every_depth() -> None:
    def norms(module: nn.Module) -> Iterator[nn.Parameter]:
        return learning_parameters(module, ("norm",))

    nested = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.BatchNorm2d(4)))
    assert sum(p.numel() for p in norms(nested)) == 8


def test_probabilities_sum_to_one() -> None:
    rows = log_probabilities(torch.tensor([[1000.0, -1000.0], [0.0, 0.0]]))
    assert rows.dtype == np.float64
    assert rows.tolist() == [[0.0, -2000.0], [-np.log(2), -np.log(2)]]


def test_recalibrated_statistics_are_those_of_the_loaders_batches() -> None:
    model, (train, _) = Net(), loaders()
    loader = replace(train, transform=replace(train.transform, augment=False))
    batches = [model.conv(inputs) for inputs, _ in loader.ordered()]
    parts = [(each.mean((0, 2, 3, 4)), each.transpose(0, 1).flatten(1).var(1)) for each in batches]
    mean, variance = (torch.stack(each).mean(0) for each in zip(*parts, strict=True))
    seen: list[int] = []
    recalibrate(model, loader, on_samples=seen.append)
    torch.testing.assert_close(model.bn.running_mean, mean)
    torch.testing.assert_close(model.bn.running_var, variance)
    assert sum(seen) == len(loader)
    assert changed(model) <= {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}
    assert model.bn.momentum == nn.BatchNorm3d(6).momentum


def test_an_affine_part_learns_on_statistics_that_stay() -> None:
    model, result = fitted("lora", epochs=2, lora=LoraSettings(affine=True))
    merge_lora(model)
    assert changed(model) == {"conv.weight", "fc.weight", "fc.bias", "bn.weight", "bn.bias"}
    frozen = fitted("lora", epochs=1)[1]
    assert result.trainable == frozen.trainable + 12
