"""A training batch of eight, transformed as one and sample by sample.

Run ``pytest tests/benchmarks/test_bench_transforms.py --benchmark-enable``.
"""

from __future__ import annotations

import monai.transforms as m
import pytest
import torch
from torchvision.transforms import v2

from crossbench.data.transforms.batch import RandomSource
from crossbench.data.transforms.image import ImageTransform
from crossbench.data.transforms.volume import VolumeTransform

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SETTINGS = {"value_range": (0.0, 255.0), "mean": MEAN, "std": STD, "augment": True}
IMAGES = {"gray": (8, 1, 224, 224), "colour": (8, 3, 224, 224)}
VOLUMES = {"64": (8, 1, 64, 64, 64), "32": (8, 1, 32, 32, 32)}


def stored(shape: tuple[int, ...]) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=random)


def torchvision_samples(raw: torch.Tensor) -> torch.Tensor:
    pipeline = v2.Compose(
        [
            v2.RandomResizedCrop(224, antialias=True),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
            v2.Normalize(list(MEAN), list(STD)),
        ]
    )
    return torch.stack([pipeline(image.expand(3, -1, -1).float() / 255) for image in raw])


def monai_samples(raw: torch.Tensor) -> torch.Tensor:
    pipeline = m.Compose(
        [
            v2.Lambda(lambda x: (x - torch.tensor(MEAN).view(3, 1, 1, 1)) / 0.225),
            m.RandFlip(prob=0.5, spatial_axis=0),
            m.RandRotate(range_x=15, prob=0.5),
            m.RandZoom(prob=0.5),
            m.RandGaussianNoise(prob=0.5),
            m.RandShiftIntensity(0.1, prob=0.5),
        ]
    )
    samples = [pipeline(volume.expand(3, -1, -1, -1).float() / 255) for volume in raw]
    return torch.stack([torch.as_tensor(sample) for sample in samples])


@pytest.mark.parametrize("shape", IMAGES.values(), ids=IMAGES)
@pytest.mark.parametrize("way", ["batch", "samples"])
def test_train_images(benchmark, shape, way):
    train = ImageTransform(size=224, crop_scale=(0.08, 1.0), **SETTINGS)
    raw, random = stored(shape), RandomSource(0, "cpu")
    benchmark.group = f"2D {shape}"
    call = (lambda: train(raw, random)) if way == "batch" else lambda: torchvision_samples(raw)
    assert benchmark(call).shape == (8, 3, 224, 224)


@pytest.mark.parametrize("shape", VOLUMES.values(), ids=VOLUMES)
@pytest.mark.parametrize("way", ["batch", "samples"])
def test_train_volumes(benchmark, shape, way):
    train = VolumeTransform(**SETTINGS)
    raw, random = stored(shape), RandomSource(0, "cpu")
    benchmark.group = f"3D {shape}"
    call = (lambda: train(raw, random)) if way == "batch" else lambda: monai_samples(raw)
    assert benchmark(call).shape == (8, 3, *shape[2:])
