"""Runs on data with sites: each class of each site in proportion, or one site left out in turn."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import crossbench
from crossbench.api import prepare
from crossbench.errors import DataError
from crossbench.results.records.files import read_record
from crossbench.results.records.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from crossbench.runs.plan import Plan

#: Of 60 samples, of which each four in a row are two of either class.
SITE = np.repeat(["Bochum", "Essen", "Szeged"], [24, 20, 16])
LABELS = np.arange(60) // 2 % 2
LEAVING = ["split.scheme=leave-site-out"]


@pytest.fixture
def plan(make_task: Callable[..., Path], tmp_path: Path) -> Callable[..., Plan]:
    """``prepare`` on a task of blobs from three sites, or from those that are given."""

    def call(*settings: str, site: Any = SITE, **arrays: Any) -> Plan:
        return prepare(
            "conv2d",
            str(make_task(dimension=2, site=site, **arrays)),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            backbone="test_resnet",
            seeds=[43],
            settings=settings,
        )

    return call


def test_folds_hold_each_class_of_each_site_in_proportion(plan: Callable[..., Plan]) -> None:
    found = plan("split.folds=2")
    for run in found.runs:
        for name, count in (("Bochum", 6), ("Essen", 5), ("Szeged", 4)):
            own = LABELS[run.split.test][SITE[run.split.test] == name]
            assert np.abs(np.bincount(own, minlength=2) - count).max() <= 1
    assert not any("site" in warning for warning in found.tasks[0].warnings)
    assert "at site 'Szeged'" in " ".join(plan("split.folds=5").tasks[0].warnings)


def test_each_site_is_a_fold_whose_runs_say_which(plan: Callable[..., Plan]) -> None:
    found = plan(*LEAVING, "split.folds=3")
    assert {run.key.method for run in found.runs} == {
        "conv2d", "majority", "logistic", "covariates",
    }  # fmt: skip
    for run in found.runs:
        name = ("Bochum", "Essen", "Szeged")[run.key.fold]
        assert set(SITE[run.split.test]) == {name}
        assert name not in SITE[[*run.split.train, *run.split.val]]
        assert f"tested on site {name!r}" in run.warnings
    assert "tested on site 'Essen' (1 of 3 splits)" in found.tasks[0].warnings


def test_a_site_of_one_class_is_trained_on_alone_and_named(plan: Callable[..., Plan]) -> None:
    site = np.where((SITE == "Szeged") & (LABELS == 0), "Essen", SITE)
    found = plan(*LEAVING, "split.folds=2", site=site)
    assert {run.key.fold for run in found.runs} == {0, 1}
    assert all("Szeged" in site[[*run.split.train, *run.split.val]] for run in found.runs)
    said = "sites of one class are trained on and never tested: 'Szeged' has class 1 alone"
    assert said in found.tasks[0].warnings


@pytest.mark.parametrize(
    ("folds", "site", "complaint"),
    [
        (3, np.where(LABELS == 0, "Essen", SITE), "a fold for each of the 1 sites .* not 3; .*'Bo"),
        (2, SITE, "a fold for each of the 3 sites with two classes or more, not 2; ask for split"),
        (2, np.where(LABELS == 0, "here", "there"), "2 sites, 0 of them with two .*'here' has cla"),
    ],
)
def test_sites_that_make_no_folds_are_refused(
    plan: Callable[..., Plan], folds: int, site: Any, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        plan(*LEAVING, f"split.folds={folds}", site=site)


def test_sites_are_refused_where_there_are_none(
    make_task: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(DataError, match="the data has no sites; choose scheme 'standard'"):
        prepare(
            "conv2d",
            str(make_task(dimension=2)),
            store=Store(tmp_path / "out"),
            data_dir=tmp_path,
            seeds=[43],
            settings=[*LEAVING, "split.folds=2"],
        )


def test_what_a_site_tells_of_the_class_is_gone_where_it_is_left_out(tmp_path: Path) -> None:
    """A phantom whose class goes with the site, and with nothing else."""
    found = {}
    for scheme in ("standard", "leave-site-out"):
        table = crossbench.run(
            "fc-cnn",
            "phantom-site",
            preset="smoke",
            protocol="linear-probe",
            backbone="test_resnet",
            out=tmp_path / scheme,
            folds=[0, 1],
            settings=[f"split.scheme={scheme}", "split.folds=2"],
            device="cpu",
        )
        assert (table["status"] == "ok").all()
        found[scheme] = table[table["method"] == "covariates"].sort_values("fold")
    scores = {name: rows["balanced_accuracy"].tolist() for name, rows in found.items()}
    assert min(scores["standard"]) > 0.8
    assert scores["leave-site-out"] == pytest.approx([0.5, 0.5])
    for fold, path in enumerate(found["leave-site-out"]["path"]):
        said = read_record(Path(path)).warnings
        assert f"tested on site 'site-{fold + 1}'" in said
        assert not any(re.search(f"site-{2 - fold}", warning) for warning in said)
