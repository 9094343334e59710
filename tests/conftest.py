"""Small data made on the spot, shared by the tests."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# A busy machine is no fault of the code.
settings.register_profile("crossbench", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("crossbench")


def pytest_collection_finish() -> None:
    """Exempt what is there by now from collections: statsmodels and streamlit collect each time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let the interpreter's end find all objects."""
    gc.unfreeze()


CARD = """\
name = "{name}"
title = "Blobs"
dimension = {dimension}
modality = "None"
classes = ["dark", "bright"]
licence = "CC0-1.0"
citation = "Made on the spot"
metric = "balanced_accuracy"
version = 1
group = "patient"
{extra}

[source]
kind = "npz"
file = "{name}.npz"
remedy = "Make it with the test fixture."
"""


def blobs(dimension: int, samples: int = 60, size: int = 18, seed: int = 0) -> dict[str, Any]:
    """Two classes told apart by how much of the picture is bright, in groups of two."""
    random = np.random.default_rng(seed)
    labels = np.arange(samples) // 2 % 2
    images = random.integers(0, 60, (samples,) + (size,) * dimension)
    for image, label in zip(images, labels, strict=True):
        side = size // 2 if label else size // 5
        image[(slice(2, 2 + side),) * dimension] += 180
    return {
        "images": images.astype(np.uint8),
        "labels": labels.astype(np.int64),
        "groups": np.arange(samples) // 2,
    }


@pytest.fixture
def make_task(tmp_path: Path) -> Callable[..., Path]:
    """Write a task of blobs (card and data) to a folder and return the card's path."""

    def make(name: str = "blobs", dimension: int = 3, *, extra: str = "", **arrays: Any) -> Path:
        card = tmp_path / f"{name}.toml"
        card.write_text(CARD.format(name=name, dimension=dimension, extra=extra))
        np.savez(tmp_path / f"{name}.npz", **(blobs(dimension) | arrays))
        return card

    return make


@pytest.fixture
def make_folder(tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of small images of two classes, ``train`` and ``val``, of several sizes."""

    def make(name: str = "images", *, train: int = 6, val: int = 2, side: int = 24) -> Path:
        random = np.random.default_rng(0)
        for part, count in (("train", train), ("val", val)):
            for label, base in (("dark", 20), ("bright", 150)):
                folder = tmp_path / name / part / label
                folder.mkdir(parents=True)
                for number in range(count):
                    pixels = random.integers(base, base + 80, (side + number, side + 3, 3))
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
        return tmp_path / name

    return make


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder whose modules would leave a file ``ran`` if they were imported."""
    folder = tmp_path / "here"
    folder.mkdir()
    for name in ("torch", "numpy", "pandas", "streamlit", "altair", "json"):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'w').close()\n")
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep phantoms and hashes out of the user's cache, and shared among the tests."""
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
