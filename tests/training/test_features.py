"""Features of a frozen network: the same bits whether kept or computed, and never stale ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from crossbench.data.dataset import Dataset
from crossbench.data.transforms.image import ImageTransform
from crossbench.training.convolutions import QuickConvolutions
from crossbench.training.features import (
    Features,
    batch_size,
    constant_note,
    constant_share,
    extract,
)
from crossbench.training.loader import BatchLoader

SAMPLES = 11
DAMAGES = ["cut", "flipped", "text", "pickled", "bare", "shorter", "no seconds", "no sample"]


class Network(nn.Module):
    """One convolution, pooled. The factor is part of its code, not of its weights."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv2d(3, 5, 3)
        self.factor = factor
        self.seen = 0

    def forward(self, x: Tensor) -> Tensor:
        self.seen += len(x)
        return self.conv(x).relu().mean((2, 3)) * self.factor


@pytest.fixture
def loader() -> BatchLoader:
    images = np.random.default_rng(0).integers(0, 255, (20, 1, 9, 9)).astype(np.uint8)
    dataset = Dataset(
        images=images,
        labels=np.zeros(20, np.int64),
        num_classes=2,
        groups=None,
        official=None,
        covariate=None,
        source="real",
        file=Path("none"),
        content_hash="0",
    )
    plain = ImageTransform(
        size=8, value_range=None, mean=(0.5,) * 3, std=(0.5,) * 3, crop_scale=(0.5, 1.0)
    )
    return BatchLoader(
        dataset=dataset,
        indices=np.arange(3, 3 + SAMPLES),
        transform=plain,
        batch_size=4,
        device=torch.device("cpu"),
    )


def run(
    loader: BatchLoader, folder: Path, model: nn.Module | None = None, **depends_on: Any
) -> Features:
    return extract(model or Network(), loader, depends_on=depends_on, folder=folder)


def test_kept_features_are_the_computed_ones(loader: BatchLoader, tmp_path: Path) -> None:
    told: list[int] = []
    results, seen = [], []
    for _ in range(2):
        model = Network()
        results.append(
            extract(model, loader, depends_on={}, folder=tmp_path / "f", on_samples=told.append)
        )
        seen.append(model.seen)
    first, second = results
    assert first.values.shape == (SAMPLES, 5)
    assert first.values.dtype == np.float32
    assert np.array_equal(first.values, second.values)
    assert first.seconds == second.seconds > 0
    assert seen == [1 + SAMPLES, 1]  # the first sample is always computed
    assert sum(told) == 2 * SAMPLES
    (batch, _) = next(loader.ordered())
    with torch.no_grad(), QuickConvolutions():
        assert np.array_equal(first.values[:4], Network()(batch).numpy())


def test_embeddings_of_windows_are_kept_as_features_are(
    loader: BatchLoader, tmp_path: Path
) -> None:
    class Windows(Network):
        def forward(self, x: Tensor) -> Tensor:
            whole = super().forward(x)
            return torch.stack([whole, whole + 1], 1)

    models = Windows(), Windows()
    first, second = (run(loader, tmp_path, model).values for model in models)
    assert first.shape == (SAMPLES, 2, 5)
    assert np.array_equal(first, second)
    assert models[1].seen == 1


def test_a_part_smaller_than_a_batch(loader: BatchLoader, tmp_path: Path) -> None:
    small = BatchLoader(**{**vars(loader), "batch_size": 64})
    assert np.array_equal(run(small, tmp_path).values, run(small, tmp_path).values)


@pytest.mark.parametrize("change", ["weights", "inputs"])
def test_other_weights_and_other_inputs_are_kept_apart(
    loader: BatchLoader, tmp_path: Path, change: str
) -> None:
    before = run(loader, tmp_path, data="a")
    model = Network()
    if change == "weights":
        model.conv.weight.data[0, 0, 0, 0] += 1
    after = run(loader, tmp_path, model, data="a" if change == "weights" else "b")
    assert len(list(tmp_path.iterdir())) == 2
    assert np.array_equal(before.values, after.values) == (change == "inputs")


def test_other_code_under_the_same_weights_is_noticed(loader: BatchLoader, tmp_path: Path) -> None:
    before, after = run(loader, tmp_path), run(loader, tmp_path, Network(factor=2.0))
    assert np.array_equal(after.values, 2 * before.values)
    assert np.array_equal(run(loader, tmp_path, Network(factor=2.0)).values, after.values)


def _sample(file: Path) -> np.ndarray:
    with np.load(file, allow_pickle=False) as kept:
        return np.asarray(kept["sample"])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_computed_again(loader: BatchLoader, tmp_path: Path, damage: str) -> None:
    wanted = run(loader, tmp_path)
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    values, seconds, sample = wanted.values, np.float64(1), _sample(file)
    if damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = content.index(values.tobytes()) + values.nbytes - 1
        file.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif damage == "text":
        file.write_text("no features")
    elif damage == "pickled":
        np.savez(file, values=np.array([{}], dtype=object), seconds=seconds, sample=sample)
    elif damage == "bare":
        with file.open("wb") as stream:
            np.save(stream, values)
    elif damage == "shorter":
        np.savez(file, values=values[:-1], seconds=seconds, sample=sample)
    elif damage == "no sample":
        np.savez(file, values=values, seconds=seconds)
    else:
        np.savez(file, values=values, sample=sample)
    assert np.array_equal(run(loader, tmp_path).values, wanted.values)
    assert np.array_equal(run(loader, tmp_path).values, wanted.values)  # and kept in its place


def test_a_folder_that_cannot_be_written_costs_time_alone(
    loader: BatchLoader, tmp_path: Path
) -> None:
    wanted = run(loader, tmp_path / "good").values
    (tmp_path / "file").write_text("in the way")
    assert np.array_equal(run(loader, tmp_path / "file").values, wanted)


@pytest.mark.parametrize(
    ("shape", "samples"),
    [((28, 28), 32), ((224, 224), 20), ((32, 32, 32), 32), ((64, 64, 64), 4), ((256,) * 3, 1)],
)
def test_batches_hold_about_a_million_pixels(shape: tuple[int, ...], samples: int) -> None:
    assert batch_size(shape) == samples


def test_features_that_differ_by_rounding_alone_are_constant() -> None:
    values = np.ones((4, 4), np.float32)
    values[:, 1] = 0
    values[2, 2] = np.nextafter(np.float32(1), np.float32(2))
    values[3, 3] = 1.01
    assert constant_share(values) == 0.75
    assert constant_note(0.75, "training")[0].startswith("75% of the network's features are the")
    assert constant_note(0.49, "training") == ()
