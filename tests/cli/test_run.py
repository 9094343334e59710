"""``crossbench run --track``: a track's requests, one after the other."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import crossbench
from crossbench.cli import main
from crossbench.errors import RequestError
from crossbench.registry import tracks

if TYPE_CHECKING:
    from collections.abc import Callable

TRACK = """\
name = "mine"
version = 1
title = "Mine"
preset = "smoke"
tasks = ["nodule-malignancy-3d"]
protocols = ["linear-probe", "weak-probe"]
seeds = [43]
backbone = "test_resnet"
"""


@pytest.fixture(autouse=True)
def _mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.toml").write_text(TRACK)
    track = tracks.read_track(tmp_path / "mine.toml")
    monkeypatch.setattr(tracks, "load_tracks", lambda: {"mine": track})


@pytest.mark.slow
def test_every_run_of_the_track_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "results"
    assert main(["run", "--track", "mine", "--method", "conv3d", "--out", str(out)]) == 0
    assert "mine v1, 2 of 2: weak-probe, random" in capsys.readouterr().err
    frame = crossbench.load_results(out)
    done = frame[(frame["method"] == "conv3d") & (frame["status"] == "ok")]
    asked = tracks.track_runs(tracks.find_track("mine"), "conv3d", ("volume",))
    keys = ["preset", "task", "method", "backbone", "init", "protocol", "seed", "fold"]
    assert {tuple(row) for row in done[keys].itertuples(index=False)} == {
        tuple(getattr(key, name) for name in keys) for key in asked
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1"], "track 'mine' fixes seeds, which (1,) would change; leave it out"),
        (["--preset", "paper"], "track 'mine' fixes preset, which 'paper' would change"),
        (["--set", "fit.epochs=1"], "track 'mine' fixes settings, which ('fit.epochs=1',) would"),
    ],
)
def test_what_a_track_fixes_is_not_changed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--track", "mine", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_track_is_planned_as_json_one_request_after_the_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--track", "mine", "--method", "conv3d", "--limit", "1"]
    assert main([*words, "--dry-run", "--json", "--out", str(tmp_path / "results")]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["track"] == "mine"
    parts = [(each["protocol"], each["init"], each["runs"]) for each in said["requests"]]
    assert parts == [("linear-probe", "random", 1), ("weak-probe", "random", 1)]
    assert all("seconds" in each for each in said["requests"])


def test_all_that_a_track_lacks_is_said_before_anything_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second init has no file, and two tasks have no data."""
    track = dataclasses.replace(
        tracks.find_track("mine"),
        preset="standard",  # the smoke test takes phantoms
        tasks=("nodule-malignancy-3d", "fracture", "vessel"),
        inits=("random", "no-such.safetensors"),
    )
    monkeypatch.setattr(tracks, "load_tracks", lambda: {"mine": track})
    out, data = tmp_path / "results", tmp_path / "data"
    data.mkdir()
    where = ["--out", str(out), "--data-dir", str(data)]
    assert main(["run", "--track", "mine", "--method", "conv3d", *where]) == 2
    said = capsys.readouterr().err
    assert said.count(f"\ncrossbench data fetch fracture --data-dir {data}\n") == 1
    assert said.count(f"\ncrossbench data fetch vessel --data-dir {data}\n") == 1
    assert "no-such.safetensors" in said
    assert not list(out.rglob("*.json"))


def test_a_track_from_python(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="track 'mine' fixes seeds, which"):
        crossbench.run("conv3d", track="mine", seeds=[1], out=tmp_path)
    frame = crossbench.run("conv3d", track="mine", limit=1, out=tmp_path / "results")
    assert frame["protocol"].tolist() == ["linear-probe", "weak-probe"]
    assert set(frame["status"]) == {"ok"}


def test_an_unknown_track(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--track", "mein"]) == 2
    assert "unknown track 'mein'; did you mean mine?" in capsys.readouterr().err


def test_a_dry_run_simulates_schedules(
    make_task: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["run", "--method", "conv3d", "--task", str(make_task()), "--seeds", "43"]
    words += ["--data-dir", str(tmp_path), "--set", "compute.threads=1"]
    words += ["--out", str(tmp_path / "results"), "--dry-run"]
    words += ["--simulate", "1,3,1000", "--price", "2"]
    assert main(words) == 0
    table = capsys.readouterr().out.splitlines()[-5:]
    del table[1]  # a rule
    assert [line.split()[0] for line in table] == ["processes", "1", "3", "1000"]
    assert table[0].split() == ["processes", "time", "idle", "cost"]
    assert table[1].split()[-2] == "0%"
    assert main([*words, "--json"]) == 0
    one, three, many = json.loads(capsys.readouterr().out)["schedules"]
    assert one["makespan"] >= three["makespan"] >= many["makespan"] > 0
    assert one["busy"] == three["busy"] == many["busy"]
    words[words.index("--simulate") + 1] = "1"
    assert main([*words, "--executor", "ray", "--nodes", "2,500", "--gpus", "2"]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()[-3:]]
    assert [row[:2] for row in table] == [["1", "1"], ["2", "4"], ["500", "1000"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dry-run", "--simulate", "some"], "--simulate: 'some' is no number of processes"),
        (["--dry-run", "--simulate", "0"], "--simulate: '0' is no number of processes; name 1"),
        (["--simulate", "2"], "--simulate, --nodes and --price say what --dry-run shows; add w"),
        (["--dry-run", "--price", "2"], "--nodes and --price say what --dry-run shows"),
        (["--dry-run", "--nodes", "2"], "--nodes (=2) are of --executor ray; add that"),
        (["--dry-run", "--executor", "ray", "--nodes", "no"], "'no' is no number of machines"),
        (["--dry-run", "--simulate", "2", "--gpus", "4"], "--gpus (=4) must be at least 1, of"),
    ],
)
def test_what_cannot_be_simulated_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    assert message in capsys.readouterr().err
