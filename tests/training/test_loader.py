from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from crossbench.data.dataset import Dataset
from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.volume import VolumeTransform
from crossbench.training.loader import BatchLoader

CPU = torch.device("cpu")


def loader(samples: int, batch_size: int, workers: int = 0, dtype: str = "uint8") -> BatchLoader:
    """A loader whose sample i is the constant i, labelled i."""
    images = np.arange(samples).astype(dtype)[:, None, None, None, None]
    images = np.broadcast_to(images, (samples, 1, 4, 4, 4))
    plain = VolumeTransform(value_range=(0.0, 1.0), mean=(0.0,) * 3, std=(1.0,) * 3)
    dataset = Dataset(
        images=images, labels=np.arange(samples), num_classes=samples, groups=None,
        official=None, covariate=None, source="real", file=Path("x"), content_hash="",
    )  # fmt: skip
    return BatchLoader(
        dataset=dataset, indices=np.arange(samples), transform=plain, batch_size=batch_size,
        device=CPU, workers=workers,
    )  # fmt: skip


@given(samples=st.integers(2, 40), batch_size=st.integers(2, 9), workers=st.sampled_from([0, 2]))
def test_every_sample_comes_once_with_its_own_label(
    samples: int, batch_size: int, workers: int
) -> None:
    stream = loader(samples, batch_size, workers)
    for batches in (list(stream.ordered()), list(stream.shuffled(RandomSource(1, CPU)))):
        labels = torch.cat([labels for _, labels in batches])
        inputs = torch.cat([inputs for inputs, _ in batches])
        assert sorted(labels.tolist()) == list(range(samples))
        assert torch.equal(inputs[:, 0, 0, 0, 0], labels.float())
        assert inputs.shape[1:] == (3, 4, 4, 4)


@given(samples=st.integers(2, 40), batch_size=st.integers(2, 9))
def test_no_training_batch_holds_one_sample(samples: int, batch_size: int) -> None:
    sizes = [len(y) for _, y in loader(samples, batch_size).shuffled(RandomSource(1, CPU))]
    assert min(sizes) > 1
    assert max(sizes) <= batch_size + 1


def test_order_is_drawn_from_the_seed_and_not_from_the_workers() -> None:
    def order(seed: int, workers: int) -> list[int]:
        stream = loader(30, 4, workers).shuffled(RandomSource(seed, CPU))
        return torch.cat([labels for _, labels in stream]).tolist()

    assert order(1, 0) == order(1, 3) != order(2, 0)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", ">f4", "float64", "bool"])
def test_stored_dtypes_reach_the_network_as_float32(dtype: str) -> None:
    inputs, _ = next(loader(2, 2, dtype=dtype).ordered())
    assert inputs.dtype is torch.float32
    assert inputs[:, 0, 0, 0, 0].tolist() == [0.0, 1.0]


# ------------------------------------------------------------------ draws that are shared


def augmented(random: RandomSource, *, forked_workers: int) -> list[bytes]:
    """What training loaders of 96 equal volumes, in batches of 8, as bytes of each."""
    volume = np.random.default_rng(0).random((1, 1, 6, 6, 6)).astype("float32")
    stream = dataclasses.replace(
        loader(96, 8),
        transform=VolumeTransform(
            value_range=(0.0, 1.0), mean=(0.0,) * 3, std=(1.0,) * 3, augment=True
        ),
        forked_workers=forked_workers,
    )
    images = np.broadcast_to(volume, (96, 1, 6, 6, 6))
    stream = dataclasses.replace(stream, dataset=dataclasses.replace(stream.dataset, images=images))
    return [sample.numpy().tobytes() for x, _ in stream.shuffled(random) for sample in x]


def test_six_forked_workers_share_their_draws_in_every_epoch() -> None:
    random = RandomSource(1, CPU)
    epochs = [augmented(random, forked_workers=6) for _ in range(2)]
    assert len(set(epochs[0])) <= 16  # two batches a worker
    assert set(epochs[0]) == set(epochs[1])
    others = set(augmented(RandomSource(2, CPU), forked_workers=6))
    assert len(set(epochs[0]) & others) < 5  # at rest, or mirrored alone


def test_draws_are_fresh_unless_forked_workers_are_asked_for() -> None:
    random = RandomSource(1, CPU)
    epochs = [augmented(random, forked_workers=0) for _ in range(2)]
    assert len(set(epochs[0])) > 80  # a few are at rest, or mirrored alone
    assert len(set(epochs[0]) & set(epochs[1])) < 5


@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_the_authors_loader_shares_its_draws_as_this_imitates() -> None:
    from monai.transforms import Compose, RandGaussianNoise, RandShiftIntensity

    class Equal(torch.utils.data.Dataset[torch.Tensor]):
        transform = Compose([RandGaussianNoise(prob=0.5), RandShiftIntensity(0.1, prob=0.5)])

        def __len__(self) -> int:
            return 96

        def __getitem__(self, index: int) -> torch.Tensor:
            return torch.as_tensor(self.transform(torch.zeros(1, 4, 4, 4)))

    loader = torch.utils.data.DataLoader(
        Equal(), batch_size=8, num_workers=6, multiprocessing_context="fork"
    )
    epochs = [{x.numpy().tobytes() for batch in loader for x in batch} for _ in range(2)]
    assert len(epochs[0]) <= 16
    assert epochs[0] == epochs[1]
