"""Cards in 2D and in 3D over one file of drawn balls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

CARD = """
name = "balls-{dimension}d"
title = "Balls"
dimension = {dimension}
modality = "Drawing"
classes = ["small", "large"]
licence = "CC0-1.0"
citation = "Drawn for the tests"
metric = "accuracy"
version = 1
group = "drawing"

[source]
kind = "embedded"
file = "balls.npz"
images = "volumes"
label = "radius"
threshold = 7.5
"""


def write_balls(folder: Path) -> dict[int, Path]:
    """48 balls of 24 groups, whose radius is the class, and a card of either dimension."""
    random = np.random.default_rng(0)
    radius = np.repeat(random.permutation([5.0, 10.0] * 12), 2)
    axes = np.mgrid[:32, :32, :32] - 15.5
    inside = (axes**2).sum(0)[None] < radius[:, None, None, None] ** 2
    volumes = (200 * inside + random.integers(0, 40, inside.shape)).astype(np.uint8)
    mood = np.repeat(random.permutation([5.0, 10.0] * 12), 2)
    arrays = {"volumes": volumes, "radius": radius, "mood": mood, "groups": np.arange(48) // 2}
    np.savez(folder / "balls.npz", **arrays)
    found = {}
    for dimension in (2, 3):
        found[dimension] = folder / f"balls-{dimension}d.toml"
        found[dimension].write_text(CARD.format(dimension=dimension), encoding="utf-8")
    return found
