"""Reading files and gathering batches, beside the plain way to do the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from crossbench.data.dataset import Dataset
from crossbench.data.formats.npz import NpzFile, content_hash
from crossbench.training.loader import BatchLoader

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from pytest_benchmark.fixture import BenchmarkFixture


def volumes(benchmark: BenchmarkFixture) -> NDArray[np.uint8]:
    """64 MiB of voxels, or a few where the suite only checks that this file runs."""
    shape = (256, 64, 64, 64) if not benchmark.disabled else (16, 4, 4, 4)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def read(file: Path, *, verify: bool = True) -> Any:
    """The images by our reader, every voxel touched."""
    with NpzFile(file, verify=verify) as archive:
        return archive.read("images").max()


def read_by_numpy(file: Path) -> Any:
    """The images as NumPy reads them."""
    with np.load(file, allow_pickle=False) as archive:
        return archive["images"].max()


@pytest.mark.parametrize("way", ["numpy", "verified", "known"])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_read(benchmark: BenchmarkFixture, tmp_path: Path, save: Any, way: str) -> None:
    file = tmp_path / "volumes.npz"
    save(file, images=volumes(benchmark))
    benchmark.group = f"reading a file written by numpy.{save.__name__}"
    if way == "numpy":
        benchmark(read_by_numpy, file)
    else:
        benchmark(read, file, verify=way == "verified")


def test_hash(benchmark: BenchmarkFixture) -> None:
    benchmark.group = "hashing 64 MiB"
    assert len(benchmark(content_hash, {"images": volumes(benchmark)})) == 64


@pytest.mark.parametrize("way", ["samples", "batches", "batches ahead"])
def test_gather(benchmark: BenchmarkFixture, tmp_path: Path, way: str) -> None:
    images = volumes(benchmark)
    labels = np.arange(len(images)) % 2
    dataset = Dataset(
        images=images[:, None],
        labels=labels,
        num_classes=2,
        groups=None,
        official=None,
        covariate=None,
        source="real",
        file=tmp_path,
        content_hash="",
    )

    def by_sample() -> None:
        for start in range(0, len(images), 8):
            chosen = [torch.from_numpy(image) for image in images[start : start + 8]]
            torch.stack([image[None].repeat(3, 1, 1, 1).float() / 255 for image in chosen])

    loader = BatchLoader(
        dataset=dataset,
        indices=np.arange(len(images)),
        transform=lambda raw, random=None: (raw.float() / 255).expand(-1, 3, -1, -1, -1),
        batch_size=8,
        device=torch.device("cpu"),
        workers=1 if way == "batches ahead" else 0,
    )
    benchmark.group = "batches of eight volumes, as float32 in three channels"
    benchmark(by_sample if way == "samples" else lambda: list(map(len, loader.ordered())))
