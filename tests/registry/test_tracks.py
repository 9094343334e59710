"""Tracks: what ships, what runs one asks for, and files that are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbench.errors import CardError, RequestError
from crossbench.protocols import PROTOCOLS
from crossbench.registry import tracks
from crossbench.registry.presets import load_presets
from crossbench.registry.tasks import load_tasks
from crossbench.registry.tracks import (
    find_track,
    load_tracks,
    read_track,
    track_requests,
    track_runs,
)
from crossbench.specs.requests import RunRequest

TRACK = """\
name = "mine"
version = 2
title = "Mine"
preset = "smoke"
tasks = ["nodule-malignancy-2d", "nodule-malignancy-3d"]
protocols = ["linear-probe", "lora"]
inits = ["random", "in1k"]
seeds = [43, 44]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "mine.toml").write_text(TRACK)
    return tmp_path / "mine.toml"


def test_what_ships_names_what_is_there() -> None:
    assert {"evening", "standard", "full"} <= set(load_tracks())
    for track in load_tracks().values():
        assert set(track.protocols) <= set(PROTOCOLS)
        assert track.preset in load_presets()
        assert set(track.tasks) <= set(load_tasks())
    assert set(find_track("full").tasks) == {
        name for name, card in load_tasks().items() if not card.control
    }


def test_evening_needs_no_download() -> None:
    assert {load_tasks()[name].source.kind for name in find_track("evening").tasks} == {"embedded"}


def test_its_runs_are_every_fold_of_every_task_that_the_method_takes(file: Path) -> None:
    track = read_track(file)
    runs = track_runs(track, "mine:temp=2", ("volume",))
    assert len(runs) == len(set(runs)) == 2 * 2 * 2  # inits, protocols, seeds; one fold of smoke
    assert {run.task for run in runs} == {"nodule-malignancy-3d"}
    assert {(run.method, run.preset, run.backbone) for run in runs} == {
        ("mine:temp=2", "smoke", "resnet18")
    }
    assert len(track_runs(track, "mine", ("image", "volume"))) == 16
    assert len(track_runs(find_track("evening"), "mine", ("volume",))) == 2 * 3 * 3 * 5
    assert track.label == "mine v2"


def test_it_expands_to_a_request_an_init_and_protocol(file: Path) -> None:
    asked = RunRequest.of(methods="conv3d", plugins=["a.py"], data_dir="there")
    requests = track_requests(read_track(file), asked)
    assert [(each.init, each.protocol) for each in requests] == [
        ("random", "linear-probe"),
        ("random", "lora"),
        ("in1k", "linear-probe"),
        ("in1k", "lora"),
    ]
    for each in requests:
        assert (each.methods, each.plugins, each.data_dir) == (("conv3d",), ("a.py",), "there")
        assert (each.preset, each.seeds, each.tasks) == (
            "smoke",
            (43, 44),
            ("nodule-malignancy-2d", "nodule-malignancy-3d"),
        )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "mine"', 'name = "My Track"', "'name' is 'My Track'; it must be in kebab case"),
        ("[43, 44]", "[43, 43]", r"'seeds' is \(43, 43\); each may stand there once"),
        ("[43, 44]", "[]", r"'seeds' is \[\]; it must be an array of 1 to"),
        ("version = 2", "version = 0", "'version' is 0; it must be"),
        ("version = 2\n", "", "required key 'version' is missing"),
        ("title", "titel", "unknown key 'titel'; did you mean title"),
    ],
)
def test_a_malformed_file(file: Path, old: str, new: str, message: str) -> None:
    file.write_text(TRACK.replace(old, new, 1))
    with pytest.raises(CardError, match=f"mine.toml.*{message}"):
        read_track(file)


def test_an_unknown_track() -> None:
    with pytest.raises(RequestError, match="unknown track 'evning'; did you mean evening"):
        find_track("evning")


def test_two_tracks_of_one_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracks, "registered_files", lambda _: (file, file))
    with pytest.raises(CardError, match="track 'mine' is registered already; rename it"):
        load_tracks.__wrapped__()


def test_a_preset_that_does_not_exist(file: Path) -> None:
    file.write_text(TRACK.replace("smoke", "smok"))
    with pytest.raises(RequestError, match="unknown preset 'smok'; did you mean smoke"):
        track_requests(read_track(file), RunRequest())
