"""``crossbench run --track``: a track's requests, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

import crossbench
from crossbench.cli import main
from crossbench.registry import tracks

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
        (["--json"], "--json tells of one request, and a track has several; leave it out"),
    ],
)
def test_what_a_track_fixes_is_not_changed(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--track", "mine", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_track(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--track", "mein"]) == 2
    assert "unknown track 'mein'; did you mean mine?" in capsys.readouterr().err
