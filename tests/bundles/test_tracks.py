"""Submissions that are held against a track."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from made_submission import TASK
from record_files import companion
from tampering import Opened

from crossbench.bundles import tracks
from crossbench.bundles.bundle import read_manifest
from crossbench.bundles.submission import submit
from crossbench.bundles.validation import validate_bundle
from crossbench.errors import BundleError, RequestError
from crossbench.registry import tracks as registry
from crossbench.results.records.files import read_record
from crossbench.specs.tracks import Track

if TYPE_CHECKING:
    from pathlib import Path

    from made_submission import Made

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
    for module in (registry, tracks):
        monkeypatch.setattr(module, "load_tracks", lambda: {"tiny": TINY})


@pytest.fixture
def as_preset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs pass for ones without overrides, which would take longer."""
    monkeypatch.setattr(tracks, "overrides_of", lambda _: ())


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
    found = list(tracks.strangers([dataclasses.replace(record, key=real)], [real]))
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
    monkeypatch.setattr(tracks, "load_tracks", lambda: {"tiny": few})
    found = "\n".join(map(str, validate_bundle(forged).findings))
    assert "seed 44, fold 0 (weak-probe, random) is none of its track's runs" in found
    assert "4 runs are missing and it does not say so, such as mine on nodule-malignancy" in found
    monkeypatch.undo()
    for module in (registry, tracks):
        monkeypatch.setattr(module, "load_tracks", lambda: {"tiny": TINY})
    found = "\n".join(map(str, validate_bundle(forged).findings))
    assert "seed 43, fold 0 has other settings than its track: input.max_samples=30, fit" in found
