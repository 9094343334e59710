from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from miniatures import authors_npz

from crossbench.data.importers import Distribution, find_importer
from crossbench.registry.tasks import load_tasks

CARD = load_tasks()["brain"]


@pytest.mark.parametrize("packed", [False, True])
def test_entries_come_in_any_order(packed: bool, tmp_path: Path) -> None:
    file = authors_npz(tmp_path / "a.npz", 23, 8, 8, 3, each=1)
    with np.load(file) as arrays:
        images, labels = arrays["images"], arrays["labels"]
    if packed:
        np.savez_compressed(file, images=images, labels=labels)
    importer = find_importer("authors-npz")
    source = Distribution(card=CARD, folder=file, options={})
    listing = importer.list(source)
    assert [sample.label for sample in listing.samples] == labels[:, 0].tolist()
    for place in (0, 2, 1, 22, 3, 0):
        voxels = importer.read(source, listing.samples[place])
        np.testing.assert_array_equal(voxels, np.moveaxis(images[place], -1, 0))


def test_a_file_that_was_not_read_to_its_end_ends_in_silence(tmp_path: Path) -> None:
    file = authors_npz(tmp_path / "a.npz", 23, 8, 8, 3, each=1)
    words = ["data", "import", "brain", "--from", str(file), "--data-dir", str(tmp_path)]
    command = [sys.executable, "-m", "crossbench", *words, "--allow-count-mismatch"]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 2  # 8 pixels wide, and the card says 224
    assert "Exception ignored" not in ended.stderr
    assert "shape (H, W) is [8, 8], but card 'brain' says [224, 224]" in ended.stderr
