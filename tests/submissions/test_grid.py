"""Grids and their holes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest
from made_submission import TASK
from record_files import companion
from tampering import Opened

from crossbench.errors import BundleError, RequestError
from crossbench.registry import tracks as registry
from crossbench.results.bundles.bundle import read_manifest
from crossbench.results.records.files import read_record
from crossbench.specs import RunKey, RunRecord
from crossbench.specs.tracks import Track
from crossbench.submissions import grid
from crossbench.submissions.grid import holes
from crossbench.submissions.submission import submit
from crossbench.submissions.validation import validate_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from made_submission import Made


def record(
    task: str = "a",
    method: str = "mine",
    *,
    seed: int = 0,
    fold: int = 0,
    protocol: str = "finetune",
    **split: Any,
) -> RunRecord:
    plain = method != "mine"
    key = RunKey(
        preset="smoke",
        task=task,
        method=method,
        backbone="none" if plain else "resnet18",
        init="none" if plain else "random",
        protocol="plain" if plain else protocol,
        seed=seed,
        fold=fold,
    )
    return RunRecord(
        identity="",
        key=key,
        status="ok",
        source="embedded",
        dimension=3,
        metric="accuracy",
        provenance={"split": {"seeds": [0], "folds": 2, "run_folds": [], **split}},
    )


def plain(task: str = "a", folds: int = 2, seeds: int = 1) -> list[RunRecord]:
    return [
        record(task, name, seed=seed, fold=fold)
        for name in ("majority", "logistic")
        for fold in range(folds)
        for seed in range(seeds)
    ]


def names(records: list[RunRecord]) -> list[str]:
    return [f"{key} {key.protocol}" for key in holes(records)]


def test_a_whole_grid_has_no_holes() -> None:
    assert names([record(fold=0), record(fold=1), *plain()]) == []
    assert names([record(run_folds=[0]), *plain(folds=1)]) == []


def test_a_fold_that_was_asked_for_is_a_hole() -> None:
    assert names([record(fold=1), *plain()]) == ["mine on a, seed 0, fold 0 finetune"]


def test_a_seed_that_any_run_was_asked_for_is_a_hole() -> None:
    runs = [record(run_folds=[0]), *plain(folds=1, seeds=2)]
    assert names([*runs[:1], *plain(folds=1)]) == []
    asked = [record(run_folds=[0], seeds=[0, 1]), *plain(folds=1, seeds=2)]
    assert names(asked) == ["mine on a, seed 1, fold 0 finetune"]


def test_every_fit_is_asked_for_on_every_task() -> None:
    runs = [
        record("a", run_folds=[0]),
        record("a", run_folds=[0], protocol="lora"),
        record("b", run_folds=[0]),
        *plain("a", folds=1),
        *plain("b", folds=1),
    ]
    assert names(runs) == ["mine on b, seed 0, fold 0 lora"]


@pytest.mark.parametrize("name", ["majority", "logistic"])
def test_plain_baselines_are_asked_for(name: str) -> None:
    rest = [each for each in plain(folds=1) if each.key.method != name]
    assert names([record(run_folds=[0]), *rest]) == [f"{name} on a, seed 0, fold 0 plain"]


def test_a_covariate_is_asked_for_where_there_is_one() -> None:
    runs = [record(fold=0), record(fold=1), *plain(), record("a", "covariate", fold=0)]
    assert names(runs) == ["covariate on a, seed 0, fold 1 plain"]


TINY = Track(
    name="tiny",
    version=1,
    title="Two runs",
    tasks=(TASK, "nodule-malignancy-2d"),
    preset="smoke",
    protocols=("weak-probe",),
    seeds=(43, 44),
    backbone="test_resnet",
)


@pytest.fixture(autouse=True)
def _known_tracks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (registry, grid):
        monkeypatch.setattr(module, "load_tracks", lambda: {"tiny": TINY})


@pytest.fixture
def as_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs pass for ones without overrides, which would take longer."""
    monkeypatch.setattr(grid, "overrides_of", lambda _: ())


def test_a_track_is_named_with_its_version(as_preset: None, made: Made, tmp_path: Path) -> None:
    done = submit(made.request(track="tiny"), tmp_path / "b.zip")
    assert read_manifest(tmp_path / "b.zip").track == "tiny v1"
    assert (len(done.selected.own), done.missing, done.selected.notes) == (2, [], [])
    assert read_manifest(tmp_path / "b.zip").method.inputs == ("volume",)  # and no 2D task is asked
    assert validate_bundle(tmp_path / "b.zip").ok


def test_an_unknown_track_is_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"unknown track 'tinny'; did you mean tiny"):
        submit(made.request(track="tinny"), tmp_path / "b.zip")


def test_runs_under_other_settings_are_none_of_a_track(made: Made, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none of 2 records is of a run of the track; run it"):
        submit(made.request(track="tiny"), tmp_path / "b.zip")
    record = dataclasses.replace(read_record(made.records()[0]), source="phantom")
    real = dataclasses.replace(record.key, preset="standard")
    found = list(grid.strangers([dataclasses.replace(record, key=real)], [real]))
    assert found == [f"{real} has other settings than its track: data=phantom"]


def test_a_missing_run_of_a_track_is_a_hole(as_preset: None, author: Made, tmp_path: Path) -> None:
    companion(author.records()[0]).unlink()
    author.records()[0].unlink()
    with pytest.raises(BundleError, match=r"1 runs of the grid are missing: mine on .* seed 43"):
        submit(author.request(track="tiny"), tmp_path / "b.zip")


def test_runs_beyond_a_track_stay_out(
    as_preset: None, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = dataclasses.replace(TINY, seeds=(43,), version=2)
    monkeypatch.setattr(registry, "load_tracks", lambda: {"tiny": one})
    done = submit(made.request(track="tiny"), tmp_path / "b.zip")
    assert [item.record.key.seed for item in done.selected.own] == [43]
    assert done.selected.notes == ["1 records of no run of the track are left out"]
    verdict = validate_bundle(tmp_path / "b.zip")  # of a version that is not known here
    assert "its track 'tiny v2' is none that is known here" in verdict.notes


def test_a_bundle_is_held_against_the_track_that_it_names(
    as_preset: None, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(bundle, tmp_path / "opened")
    forged = opened.forged(tmp_path / "b.zip", track="tiny v1")
    assert validate_bundle(forged).ok
    few = dataclasses.replace(TINY, seeds=(43, 45))
    monkeypatch.setattr(grid, "load_tracks", lambda: {"tiny": few})
    found = "\n".join(map(str, validate_bundle(forged).findings))
    assert "seed 44, fold 0 (weak-probe, random) is none of its track's runs" in found
    assert "4 runs are missing and it does not say so, such as mine on nodule-malignancy" in found
    monkeypatch.undo()
    for module in (registry, grid):
        monkeypatch.setattr(module, "load_tracks", lambda: {"tiny": TINY})
    found = "\n".join(map(str, validate_bundle(forged).findings))
    assert "seed 43, fold 0 has other settings than its track: input.max_samples=30, fit" in found
