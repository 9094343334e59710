"""MLSP 2014's connectivity from the wheel of geomstats: what it becomes, and what is refused."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from crossbench.cli import main
from crossbench.data.importers import Distribution, find_importer
from crossbench.data.inputs import kind_of
from crossbench.data.sources import open_task
from crossbench.errors import DataError, RequestError
from crossbench.registry.tasks import find_task
from crossbench_tasks.importers import mlsp2014

CARD = find_task("schizophrenia-fnc")


@pytest.fixture
def wheel() -> Path:
    try:
        distribution("geomstats")
    except PackageNotFoundError:
        pytest.skip("geomstats, whose wheel carries the data, is not installed")
    folder = find_importer("mlsp2014").locate()
    assert folder is not None
    return folder


@pytest.mark.usefixtures("wheel")
def test_the_wheels_files_become_correlations_that_tell_the_class(tmp_path: Path) -> None:
    assert main(["data", "import", CARD.name, "--data-dir", str(tmp_path)]) == 0
    dataset = open_task(CARD, data="real", data_dir=tmp_path, cache_dir=tmp_path / "cache")
    assert dataset.images.shape == (86, 1, 28, 28)
    assert np.bincount(dataset.labels).tolist() == [46, 40]
    assert len(set(dataset.groups.tolist())) == 86  # type: ignore[union-attr]
    assert all(np.linalg.eigvalsh(matrix).min() > 0 for (matrix,) in dataset.images)
    edges = kind_of(CARD).features(dataset.images, np.arange(86))
    assert edges.shape == (86, 378)
    scores = [
        cross_val_score(
            LogisticRegression(C=0.01),
            edges,
            dataset.labels,
            cv=StratifiedKFold(5, shuffle=True, random_state=seed),
            scoring="roc_auc",
        )
        for seed in range(6)
    ]
    assert np.mean(scores) == pytest.approx(0.72, abs=0.05)


def test_other_files_and_a_missing_wheel_are_refused(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importer = find_importer("mlsp2014")
    shutil.copytree(wheel, tmp_path / "copy")
    table = tmp_path / "copy" / "train_labels.csv"
    table.write_text(table.read_text().replace("120873,1", "120873,0"))
    with pytest.raises(DataError, match=r"train_labels.csv: is not the file of geomstats 2\.8\.0"):
        importer.list(Distribution(card=CARD, folder=tmp_path / "copy", options={}))

    def absent(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(mlsp2014, "distribution", absent)
    match = r"wheel of geomstats, which is not installed; pip install --no-deps geomstats==2\.8\.0"
    with pytest.raises(RequestError, match=match):
        importer.locate()
