"""A distribution made on the spot, and the importer of it: one npy file a sample.

Run as a program, ``small_import.py DISTRIBUTION ROOT``, it imports slowly, to be killed meanwhile.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crossbench.data.importers import Distribution, Importer, Listing, Original
from crossbench.data.importers.build import Imported, build
from crossbench.data.importers.request import Import
from crossbench.files.data_root import DataRoot
from crossbench.specs import NpzSource, TaskCard
from crossbench.specs.origins import ManualOrigin, Option

CARD = TaskCard(
    name="cells",
    title="Cells",
    kind="image",
    dimension=2,
    modality="None",
    classes=("a", "b"),
    licence="CC0-1.0",
    citation="Made on the spot",
    source=NpzSource(file="cells_224.npz"),
    metric="accuracy",
    version=1,
    group="patient",
    origins=(ManualOrigin(name="lab", importer="cells", options={"add": 1.0}),),
)


class Cells(Importer):
    """Files ``CLASS_GROUP_NUMBER.npy``; reads are noted in a file beside the folder."""

    name = "cells"
    defaults: Mapping[str, Option] = {"add": 0.0, "drop": ""}
    pause = 0.0

    def list(self, source: Distribution) -> Listing:
        names = sorted(file.name for file in source.folder.glob("*.npy"))
        kept = [name for name in names if name != source.options["drop"]]
        return Listing(
            samples=tuple(self.original(source.card, name) for name in kept),
            dropped=tuple((name, "as asked for") for name in names if name not in kept),
            notes=("the classes are in the names",),
        )

    def original(self, card: TaskCard, name: str) -> Original:
        label, group, _ = name.split("_")
        number = card.classes.index(label)
        return Original(id=name, label=number, group=group, files=(name,), site="here")

    def read(self, source: Distribution, sample: Original) -> NDArray[Any]:
        with source.folder.with_suffix(".log").open("a") as log:
            log.write(f"{sample.id}\n")
        time.sleep(self.pause)
        voxels = np.load(source.folder / sample.files[0])
        return voxels + voxels.dtype.type(source.options["add"])


def write_cells(folder: Path, samples: int = 12, dtype: Any = np.uint8) -> Path:
    """Write a distribution of two classes and groups of two."""
    random = np.random.default_rng(0)
    folder.mkdir(exist_ok=True)
    for number in range(samples):
        voxels = random.integers(0, 200, (8, 8)).astype(dtype)
        np.save(folder / f"{'ab'[number // 2 % 2]}_p{number // 2}_{number:02}.npy", voxels)
    return folder


def reads(folder: Path) -> list[str]:
    """What was read of a distribution, in order."""
    return folder.with_suffix(".log").read_text().split()


def run(folder: Path, root: Path, **further: Any) -> Imported:
    """Import a distribution."""
    listener = further.pop("listener", lambda *_: None)
    asked = {"card": CARD, "importer": Cells(), "folder": folder, "options": {}} | further
    asked.setdefault("origin", asked["card"].origins[0])
    return build(Import(**asked), DataRoot(root), cache_dir=root / "cache", listener=listener)


if __name__ == "__main__":
    Cells.pause = 0.2
    run(Path(sys.argv[1]), Path(sys.argv[2]))
