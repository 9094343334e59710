"""Every task from a miniature of its original distribution to a finished run on real data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import miniatures
import pytest
from msgspec import structs

import crossbench
from crossbench.cli import main
from crossbench.registry.tasks import load_tasks
from crossbench.specs import TaskCard
from crossbench.specs.reader import to_mapping
from crossbench.specs.toml import to_toml

CARDS = load_tasks()
MEDMNIST = [
    *("blood", "breast", "derma", "organc", "organs", "pneumonia"),
    *("fracture", "synapse", "vessel"),
]
SMALL = "shape=20,21,22"

#: The original distribution of each other task, its origin, options, and whether it has groups.
ORIGINALS: dict[str, tuple[Callable[[Path], Path], list[str], bool]] = {
    "brain-tumor": (miniatures.cheng, ["--origin", "figshare"], True),
    "breast-cancer": (miniatures.bus_bra, ["--origin", "zenodo"], True),
    "busv": (
        miniatures.busv,
        ["--origin", "google-drive", "--set", "size=21", "--set", "frames=20"],
        True,
    ),
    "mosmed": (miniatures.mosmed, ["--origin", "github", "--set", SMALL], True),
    "lung-adenocarcinoma": (miniatures.lung_adenocarcinoma, ["--origin", "mendeley"], False),
    "brats21": (miniatures.brats21_nifti, ["--origin", "synapse", "--set", "size=20"], True),
    "ixi": (miniatures.ixi, ["--origin", "brain-development", "--set", SMALL], True),
}


def small(card: TaskCard, folder: Path, **facts: Any) -> Path:
    """A copy of a card that lays down nothing which a miniature contradicts."""
    plain = {
        "name": f"small-{card.name}",
        "checksum": {},
        "class_counts": None,
        "shape": None,
        "intensity": None,
        "path": None,
    }
    origins = tuple(
        structs.replace(each, class_counts=None, intensity=None) for each in card.origins
    )
    mapping = to_mapping(replace(card, **plain | {"origins": origins} | facts))
    file = folder / f"small-{card.name}.toml"
    del mapping["dimension"]
    file.write_text(to_toml(stated(mapping)))
    return file


def stated(value: Any) -> Any:
    """What a mapping states, without what is None."""
    if isinstance(value, dict):
        return {key: stated(each) for key, each in value.items() if each is not None}
    return [stated(each) for each in value] if isinstance(value, list | tuple) else value


def finished(task: str | Path, data: Path, *, grouped: bool) -> None:
    """Run a task with the smallest settings, and hold its record to the data."""
    card = CARDS[Path(task).stem.removeprefix("small-")]
    method = "conv2d" if card.dimension == 2 else "conv3d"
    frame = crossbench.run(
        method,
        str(task),
        out=data / "results",
        device="cpu",
        preset="standard",
        protocol="linear-probe",
        backbone="test_resnet",
        seeds=[43],
        folds=[0],
        settings=["split.folds=2", "compute.threads=1", "fit.epochs=1", "input.max_size=32"],
        data_dir=str(data),
    )
    assert (frame["error_message"] == "").all()
    run = frame[frame["method"] == method].iloc[0]
    assert (run["status"], run["source"]) == ("ok", "real")
    assert bool(run["grouped"]) == grouped
    assert ("ungrouped" in run["warnings"]) == (not grouped and card.group is not None)


@pytest.mark.parametrize("name", ORIGINALS)
def test_an_original_distribution(name: str, tmp_path: Path) -> None:
    write, options, grouped = ORIGINALS[name]
    folder, data = write(tmp_path / "from"), tmp_path / "data"
    data.mkdir()
    task = str(small(CARDS[name], tmp_path)) if name == "lung-adenocarcinoma" else name
    words = ["data", "import", task, "--from", str(folder), "--data-dir", str(data), *options]
    assert main(words) == 2  # another number of samples than the card says
    assert main([*words, "--allow-count-mismatch"]) == 0
    finished(task, data, grouped=grouped)


def test_kaggles_dicom(tmp_path: Path) -> None:
    folder, data = miniatures.brats21_kaggle(tmp_path / "from"), tmp_path / "data"
    data.mkdir()
    options = ["--data-dir", str(data), "--allow-count-mismatch", "--set", "size=20"]
    words = ["data", "import", "brats21", "--origin", "kaggle", "--from", str(folder), *options]
    assert main(words) == 0
    finished("brats21", data, grouped=True)


def test_brain_from_the_authors_file(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    file = miniatures.authors_npz(tmp_path / "brainmrimnist_224.npz", 23, 224, 224, 3, each=10)
    words = ["data", "import", "brain", "--from", str(file), "--data-dir", str(data)]
    assert main(words) == 2
    assert main([*words, "--allow-count-mismatch"]) == 0
    finished("brain", data, grouped=False)


@pytest.mark.parametrize("name", MEDMNIST)
def test_medmnists_file(name: str, tmp_path: Path) -> None:
    card = CARDS[name]
    side = 20 if card.dimension == 3 else 32
    colours = (3,) if card.channels == 3 else ()
    shape = (*(side,) * card.dimension, *colours)
    miniatures.medmnist(tmp_path / card.source.file, len(card.classes), *shape)
    finished(small(card, tmp_path), tmp_path, grouped=False)
