"""``crossbench data new`` as a user meets it."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from made_scans import class_folders, scans_with_table

from crossbench.cli import main
from crossbench.registry.tasks import load_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# timm's own test network: a ResNet of a million parameters
FAST = ["--backbone", "test_resnet", "--set", "fit.epochs=1", "--device", "cpu"]

Called = tuple[int, str, str]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with a data root and a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSBENCH_DATA", str(tmp_path / "root"))
    monkeypatch.setenv("CROSSBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def new(place: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Called]:
    """Call ``crossbench data new``; returns exit code, stdout, stderr."""

    def call(folder: Path, *arguments: str) -> Called:
        code = main(["data", "new", "--from", str(folder), *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def predicted(record: Path, *files: Path, capsys: pytest.CaptureFixture[str]) -> np.ndarray:
    """(N, K) probabilities."""
    command = ["predict", "--run", str(record), "--device", "cpu", *map(str, files)]
    assert main(command) == 0
    rows = list(csv.reader(capsys.readouterr().out.splitlines()))[1:]
    return np.array([row[3:] for row in rows], float)


@pytest.mark.parametrize("kind", ["pictures", "volumes"])
def test_a_folder_becomes_a_task_that_predicts_its_own_files(
    new: Callable[..., Called], place: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    if kind == "pictures":
        folder = class_folders(place / "own", samples=24, shape=(44, 40))
        options, method = ["--size", "36", "--group-from-name", r"^p\d+"], "conv2d"
    else:
        pytest.importorskip("nibabel")
        folder = scans_with_table(place / "own", samples=24)
        options, method = ["--spacing", "1.5", "--crop", "32"], "conv3d"
    code, out, err = new(folder, *options, "--keep-ids")
    assert code == 0, err
    assert "benign 12, malignant 12" in out
    card = load_card(place / "mine.toml")
    assert card.class_counts == (12, 12)
    grid = ["--task", "./mine.toml", "--method", method, "--seeds", "43", "--folds", "0"]
    assert main(["run", *grid, "--preset", "smoke", "--save-weights", "--out", "out", *FAST]) == 0
    capsys.readouterr()
    (record,) = (place / "out").glob(f"*/mine/{method}/*.json")
    (stored,) = (place / "root" / "imported" / "mine").glob("*.npz")
    files = [folder / name for name in np.load(stored)["ids"]]
    ours, theirs = (predicted(record, *each, capsys=capsys) for each in (files, [stored]))
    assert len(set(theirs[:, 0])) == 24
    assert np.allclose(ours, theirs, atol=1e-6)


def test_a_dry_run_says_what_would_be_and_writes_nothing(
    new: Callable[..., Called], place: Path
) -> None:
    folder = class_folders(place / "own")
    code, out, _ = new(folder, "--dry-run")
    assert code == 0
    assert out.startswith("12 pictures of 2 classes\n")
    for said in (
        "Classes are the names of folders",
        "Groups are not known",
        "All pictures are gray: one channel",
        "All pictures have 40x40 pixels (HxW)",
        "--group-from-name '^\\D*\\d+'",
    ):
        assert said in " ".join(out.split()), said
    code, out, _ = new(folder, "--dry-run", "--json")
    assert json.loads(out)["classes"] == {"benign": 6, "malignant": 6}
    assert sorted(each.name for each in place.iterdir()) == ["own"]


def test_a_card_is_not_written_over_unasked(new: Callable[..., Called], place: Path) -> None:
    folder = class_folders(place / "own")
    assert new(folder)[0] == 0
    code, _, err = new(folder)
    assert code == 2
    assert "mine.toml is there already; give another --name, or --overwrite" in err
    assert new(folder, "--overwrite", "--title", 'Süße "Bilder"\t')[0] == 0
    assert load_card(place / "mine.toml").title == 'Süße "Bilder"\t'
